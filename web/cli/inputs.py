"""What the user hands in, read with a bound and decoded strictly."""

from pathlib import Path
from typing import IO

from web.cli.output import CommandError


def read_bytes(stream: IO[bytes], name: str, limit: int) -> bytes:
    """At most `limit` bytes. Raises CommandError (`text_too_large`)."""
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise CommandError(
            "text_too_large", f"{name} is larger than {limit} bytes", "check a shorter part of it, a few pages at most"
        )
    return data


def read_file(path: Path, limit: int) -> bytes:
    """Content of a file, at most `limit` bytes."""
    with path.open("rb") as file:
        return read_bytes(file, str(path), limit)


def decode(data: bytes, name: str) -> str:
    """The bytes as UTF-8 text, a byte order mark aside. Raises CommandError (`invalid_utf8`)."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(
            "invalid_utf8",
            f"{name} is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}",
            "save the text as UTF-8, for instance with `iconv -t UTF-8`",
        ) from None


def read_text(stream: IO[bytes], name: str, limit: int) -> str:
    """`read_bytes`, then `decode`."""
    return decode(read_bytes(stream, name, limit), name)
