"""The model root, one hash that names every byte of a model file, and the data root (SPEC.md, "Model root").

    leaf 0        all bytes before the data section
    leaf 1 ...    the data section in chunks of 1 MiB, the last one shorter

The tree is that of RFC 6962 section 2.1, so a chunk can be checked while the file is still downloading. The data
root, which the directory states, is the same tree without leaf 0.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

CHUNK_BYTES = 1 << 20
_THREADS = 4  # SHA-256 runs outside the interpreter lock; more than this waits for memory


def file_roots(data: memoryview, data_start: int) -> tuple[bytes, bytes]:
    """Model root and data root of a whole file whose data section begins at `data_start`. Reads every byte once."""
    starts = range(data_start, len(data), CHUNK_BYTES)
    chunks = [data[:data_start], *(data[start : start + CHUNK_BYTES] for start in starts)]
    with ThreadPoolExecutor(_THREADS) as pool:
        leaves = list(pool.map(leaf_hash, chunks))
    return tree_root(leaves), tree_root(leaves[1:])


def data_root(parts: Iterable[bytes]) -> bytes:
    """Root over a data section that comes in parts of any length, at least one byte in all."""
    leaves: list[bytes] = []
    digest, room = hashlib.sha256(b"\x00"), CHUNK_BYTES
    for part in parts:
        rest = memoryview(part)
        while rest:
            digest.update(rest[:room])
            taken = min(room, len(rest))
            rest, room = rest[taken:], room - taken
            if not room:
                leaves.append(digest.digest())
                digest, room = hashlib.sha256(b"\x00"), CHUNK_BYTES
    if room < CHUNK_BYTES:
        leaves.append(digest.digest())
    return tree_root(leaves)


def leaf_hash(chunk: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(b"\x00")
    digest.update(chunk)
    return digest.digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Merkle tree hash of one or more leaf hashes: pair up level by level, an odd last node moves up as it is."""
    level = list(leaves)
    while len(level) > 1:
        paired = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]
