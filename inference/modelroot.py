"""The model root: one hash that names every byte of a model file (SPEC.md, "Model root").

    leaf 0        all bytes before the data section
    leaf 1 ...    the data section in chunks of 1 MiB, the last one shorter

The tree is that of RFC 6962 section 2.1, so a chunk can be checked while the file is still downloading.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

CHUNK_BYTES = 1 << 20
_THREADS = 4  # SHA-256 runs outside the interpreter lock; more than this waits for memory


def model_root(data: memoryview, data_start: int) -> bytes:
    """Root over a whole file whose data section begins at `data_start`. Reads every byte once."""
    starts = range(data_start, len(data), CHUNK_BYTES)
    chunks = [data[:data_start], *(data[start : start + CHUNK_BYTES] for start in starts)]
    with ThreadPoolExecutor(_THREADS) as pool:
        return tree_root(list(pool.map(leaf_hash, chunks)))


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
