"""The Merkle root against the recursive definition of RFC 6962 and against fixed values."""

import hashlib

import pytest

from inference.modelroot import CHUNK_BYTES, data_root, file_roots, leaf_hash, tree_root


def recursive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + recursive_root(leaves[:split]) + recursive_root(leaves[split:])).digest()


@pytest.mark.parametrize("count", range(1, 70))
def test_level_by_level_equals_the_recursive_definition(count: int) -> None:
    leaves = [leaf_hash(bytes([i])) for i in range(count)]
    assert tree_root(leaves) == recursive_root(leaves)


def test_leaf_hash_is_prefixed() -> None:
    # printf '\0' | sha256sum
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_front_is_one_leaf_and_data_is_cut_into_chunks(size: int) -> None:
    front, data = b"front" * 1000, hashlib.shake_128(b"data").digest(size)
    chunks = [data[start : start + CHUNK_BYTES] for start in range(0, size, CHUNK_BYTES)]
    leaves = [leaf_hash(part) for part in [front, *chunks]]
    expected = recursive_root(leaves), recursive_root(leaves[1:])
    assert file_roots(memoryview(front + data), len(front)) == expected
    for parts in ([data], [data[:7], b"", data[7:]], [data[:-1], data[-1:]]):
        assert data_root(parts) == expected[1]
