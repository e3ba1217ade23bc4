"""Which entries an audit replays: a sequence that anybody can draw again from the seed in the report."""

from collections.abc import Iterator
from hashlib import sha256

DOMAIN = b"rail/audit-sample/v1\0"


def draw_entries(seed: int, start: int, stop: int) -> Iterator[int]:
    """Distinct indexes in [start, stop), uniformly, without end until the range is used up.

    Draw number j is SHA-256(DOMAIN || seed || j) modulo the range, both numbers as 64-bit big-endian; an index
    that came before is passed over. The modulo's bias is below 2**-190.
    """
    wanted = stop - start
    seen: set[int] = set()
    draw = 0
    while len(seen) < wanted:
        digest = sha256(DOMAIN + seed.to_bytes(8, "big") + draw.to_bytes(8, "big")).digest()
        draw += 1
        index = start + int.from_bytes(digest, "big") % wanted
        if index not in seen:
            seen.add(index)
            yield index
