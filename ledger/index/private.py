"""Private lookup: the text stays with the asker, who fetches buckets of fingerprints. SPEC.md section 12.

asker   fingerprints of the text          12da7ad4ff9fae03, 92446a221f0decf3, ...
        asks for buckets by prefix        12d, 924, ...                             in random order
server  bucket: (fingerprint, record)...  the same bytes for everyone, padded
asker   runs of its own fingerprints that one record has
"""

import random
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ledger.errors import ParseError
from ledger.index.cover import Piece, cover, union_weight
from ledger.index.rules import PRIVATE_WEIGHT, RULES, RUN_WEIGHT_MIN, WORD_WEIGHT
from ledger.index.text import Text

BUCKET_ENTRIES: Final = 512  # expected in a bucket, at most
ENTRIES_PER_RECORD: Final = 100  # of 240 words
PREFIX_BITS_MAX: Final = 32
PER_HASH_MAX: Final = 64  # earliest records of one fingerprint, as in a search that is not private
ENTRIES_MAX: Final = 16_384  # of one bucket
PAGE_BYTES: Final = 8192  # buckets are padded to a multiple, so that their size tells little
BUCKET_BYTES_MAX: Final = 4 + 16 * ENTRIES_MAX + PAGE_BYTES
_ENTRY: Final = struct.Struct(">QQ")  # fingerprint, as 64 bits without sign; record


def prefix_bits(records: int) -> int:
    """How many leading bits of a fingerprint name a bucket, for a log of this many records."""
    return min(PREFIX_BITS_MAX, (records * ENTRIES_PER_RECORD // BUCKET_ENTRIES).bit_length())


def hash_range(bits: int, prefix: int) -> tuple[int, int]:
    """Least and greatest fingerprint of a bucket, signed as in the index."""
    low = prefix << (64 - bits)
    high = low + (1 << (64 - bits)) - 1
    sign = 1 << 63
    return ((low - 2 * sign, high - 2 * sign) if low >= sign else (low, high)) if bits else (-sign, sign - 1)


def format_bucket(entries: Iterable[tuple[int, int]]) -> bytes:
    """Number of entries (32 bits), then the entries (signed fingerprint, record) in ascending order, then zeros."""
    rows = sorted({(value & 0xFFFFFFFFFFFFFFFF, record) for value, record in entries})
    body = struct.pack(">I", len(rows)) + b"".join(_ENTRY.pack(*row) for row in rows)
    return body + bytes(-len(body) % PAGE_BYTES)


def parse_bucket(data: bytes, bits: int, prefix: int) -> dict[int, list[int]]:
    """Records by fingerprint; raises ParseError (`bucket`) for anything but what `format_bucket` makes."""
    if not 4 <= len(data) <= BUCKET_BYTES_MAX or len(data) % PAGE_BYTES:
        raise ParseError("bucket", f"a bucket of {len(data)} bytes is no multiple of {PAGE_BYTES} within its limit")
    (count,) = struct.unpack_from(">I", data)
    end = 4 + count * _ENTRY.size
    if len(data) != end + -end % PAGE_BYTES or any(data[end:]):
        raise ParseError("bucket", f"the bucket is not {count} entries and padding")
    low, high = hash_range(bits, prefix)
    found: dict[int, list[int]] = {}
    last = (-1, -1)
    for row in _ENTRY.iter_unpack(data[4:end]):
        value = row[0] - (1 << 64) if row[0] >> 63 else row[0]
        if row <= last or not low <= value <= high:
            raise ParseError("bucket", "an entry of the bucket is out of order or belongs to another bucket")
        last = row
        found.setdefault(value, []).append(row[1])
    return found


def prefixes_of(text: Text, bits: int) -> list[int]:
    """The buckets that a text needs, each once, in random order."""
    needed = {(text.shingles.hashes[i] & 0xFFFFFFFFFFFFFFFF) >> (64 - bits) for i in text.fingerprints}
    return random.SystemRandom().sample(sorted(needed), len(needed))


def runs(text: Text, records_of: Mapping[int, Sequence[int]]) -> list[Piece]:
    """Units that neighbouring fingerprints cover which one record has all: for each record, as long as possible."""
    found: list[Piece] = []
    unfinished: dict[int, Piece] = {}
    for place in text.fingerprints:
        having = set(records_of.get(text.shingles.hashes[place], ()))
        found += [unfinished.pop(record) for record in [*unfinished] if record not in having]
        for record in having:
            start = unfinished[record].start if record in unfinished else place
            unfinished[record] = Piece(record, start, text.shingles.ends[place], 0)
    return found + list(unfinished.values())


def judged(text: Text, records_of: Mapping[int, Sequence[int]]) -> dict[str, Any]:
    """The verdict on a text of enough words: `excerpt` if a record has a run of PRIVATE_WEIGHT, or of half of the text.

    A run is known as far as its fingerprints reach, up to three words less at each end than it is. What the records'
    prompts contained cannot be subtracted.
    """
    units = text.units
    known = [piece for piece in runs(text, records_of) if units.weight(piece.start, piece.end) >= RUN_WEIGHT_MIN]
    needed = max(RUN_WEIGHT_MIN, min(PRIVATE_WEIGHT, units.total // 2))
    proved = {piece.record_id for piece in known if units.weight(piece.start, piece.end) >= needed}
    chosen = cover((piece for piece in known if piece.record_id in proved), units, bytearray(len(units)))
    spans = []
    for piece in sorted(chosen, key=lambda piece: piece.start):
        start, end = text.source(units.starts[piece.start], units.ends[piece.end - 1])
        place = {"start": start, "end": end, "start_utf16": text.utf16.of(start), "end_utf16": text.utf16.of(end)}
        words = units.weight(piece.start, piece.end) // WORD_WEIGHT
        spans.append({"record_id": piece.record_id, **place, "words": words})
    return {
        "rules": RULES,
        "verdict": "excerpt" if proved else "none",
        "layer": "fingerprint" if proved else None,
        "text_chars": len(text.original),
        "text_words": units.total // WORD_WEIGHT,
        "truncated": units.truncated,
        "checked_chars": text.source(0, units.ends[-1])[1] if units.truncated else len(text.original),
        "longest_run_words": max((span["words"] for span in spans), default=0),
        "matched_permille": union_weight(chosen, units) * 1000 // units.total,
        "spans": spans,
        "records": [{"record_id": record} for record in sorted(proved)],
    }
