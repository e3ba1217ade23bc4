"""The tree against RFC 6962 section 2.1 written down literally: every size to 300, every leaf, every proof."""

from base64 import b64decode
from functools import cache
from hashlib import sha256

import pytest
from ledger_samples import MemoryHashes, tree_of

from ledger.errors import ProofInvalid
from ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
    tree_root,
)
from ledger.stored_hashes import frontier_indexes, stored_hash_count, stored_hash_index, stored_hash_position

SIZE_EXHAUSTIVE = 300
ENTRIES = [b"entry %d" % i for i in range(SIZE_EXHAUSTIVE)]

# Oracle: the recursive definitions of RFC 6962, over ENTRIES[lo:hi].


@cache
def mth(lo: int, hi: int) -> bytes:
    n = hi - lo
    if n == 0:
        return sha256().digest()
    if n == 1:
        return sha256(b"\x00" + ENTRIES[lo]).digest()
    k = split(n)
    return sha256(b"\x01" + mth(lo, lo + k) + mth(lo + k, hi)).digest()


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


@cache
def path(m: int, lo: int, hi: int) -> tuple[bytes, ...]:
    n = hi - lo
    if n == 1:
        return ()
    k = split(n)
    if m < k:
        return (*path(m, lo, lo + k), mth(lo + k, hi))
    return (*path(m - k, lo + k, hi), mth(lo, lo + k))


def proof(m: int, n: int) -> tuple[bytes, ...]:
    return subproof(m, 0, n, True) if m else ()


@cache
def subproof(m: int, lo: int, hi: int, complete: bool) -> tuple[bytes, ...]:
    n = hi - lo
    if m == n:
        return () if complete else (mth(lo, hi),)
    k = split(n)
    if m <= k:
        return (*subproof(m, lo, lo + k, complete), mth(lo + k, hi))
    return (*subproof(m - k, lo + k, hi, False), mth(lo, lo + k))


@pytest.fixture(scope="module")
def tree() -> MemoryHashes:
    return tree_of(ENTRIES)


def flip(item: bytes, bit: int) -> bytes:
    return (int.from_bytes(item, "big") ^ 1 << bit % 256).to_bytes(32, "big")


# Exhaustive


def test_every_root_to_300(tree: MemoryHashes) -> None:
    hashes = [leaf_hash(entry) for entry in ENTRIES]
    for size in range(SIZE_EXHAUSTIVE + 1):
        assert tree_root(size, tree) == root_of(hashes[:size]) == mth(0, size)


def test_every_inclusion_proof_to_300(tree: MemoryHashes) -> None:
    for size in range(1, SIZE_EXHAUSTIVE + 1):
        root = mth(0, size)
        for index in range(size):
            found = prove_inclusion(index, size, tree)
            assert tuple(found) == path(index, 0, size)
            check_inclusion(mth(index, index + 1), index, size, found, root)


def test_every_consistency_proof_to_300(tree: MemoryHashes) -> None:
    for new in range(SIZE_EXHAUSTIVE + 1):
        for old in range(new + 1):
            found = prove_consistency(old, new, tree)
            assert tuple(found) == proof(old, new)
            check_consistency(old, mth(0, old), new, mth(0, new), found)


def test_one_flipped_bit_in_any_hash_of_any_inclusion_proof_is_rejected() -> None:
    for size in range(1, SIZE_EXHAUSTIVE + 1):
        root = mth(0, size)
        for index in range(size):
            leaf, genuine = mth(index, index + 1), list(path(index, 0, size))
            bit = size * 31 + index
            refused_inclusion(flip(leaf, bit), index, size, genuine, root)
            refused_inclusion(leaf, index, size, genuine, flip(root, bit))
            for position, item in enumerate(genuine):
                genuine[position] = flip(item, bit + position)
                refused_inclusion(leaf, index, size, genuine, root)
                genuine[position] = item


def test_one_flipped_bit_in_any_hash_of_any_consistency_proof_is_rejected() -> None:
    for new in range(1, SIZE_EXHAUSTIVE + 1):
        for old in range(1, new):
            old_root, new_root, genuine = mth(0, old), mth(0, new), list(proof(old, new))
            bit = new * 31 + old
            refused_consistency(old, flip(old_root, bit), new, new_root, genuine)
            refused_consistency(old, old_root, new, flip(new_root, bit), genuine)
            for position, item in enumerate(genuine):
                genuine[position] = flip(item, bit + position)
                refused_consistency(old, old_root, new, new_root, genuine)
                genuine[position] = item


def refused_inclusion(leaf: bytes, index: int, size: int, hashes: list[bytes], root: bytes) -> str:
    try:
        check_inclusion(leaf, index, size, hashes, root)
    except ProofInvalid as error:
        return error.code
    raise AssertionError(f"accepted: leaf {index} of {size}")


def refused_consistency(old: int, old_root: bytes, new: int, new_root: bytes, hashes: list[bytes]) -> str:
    try:
        check_consistency(old, old_root, new, new_root, hashes)
    except ProofInvalid as error:
        return error.code
    raise AssertionError(f"accepted: {old} to {new}")


# Shapes of attack, on every proof of smaller trees

SIZE_SHAPES = 70


def test_inclusion_proof_of_wrong_length_is_rejected() -> None:
    extra = bytes(32)
    for size in range(1, SIZE_SHAPES):
        root = mth(0, size)
        for index in range(size):
            leaf, genuine = mth(index, index + 1), list(path(index, 0, size))
            for longer in ([*genuine, extra], [extra, *genuine], [*genuine, root], [leaf, *genuine]):
                assert refused_inclusion(leaf, index, size, longer, root) == "inclusion_length"
            for shorter in (genuine[:-1], genuine[1:]) if genuine else ():
                assert refused_inclusion(leaf, index, size, shorter, root) == "inclusion_length"


def test_inclusion_proof_for_another_index_or_size_is_rejected() -> None:
    for size in range(2, SIZE_SHAPES):
        root = mth(0, size)
        for index in range(size):
            leaf, genuine = mth(index, index + 1), list(path(index, 0, size))
            for other in {index - 1, index + 1, index ^ 1, size - 1 - index, size, -1} - {index}:
                refused_inclusion(leaf, other, size, genuine, root)
            for other in (size - 1, size + 1):
                # The same hashes may be a genuine path at a neighbouring size; then the root must tell them apart.
                refused_inclusion(leaf, index, other, genuine, mth(0, other))


def test_inclusion_proof_of_an_inner_node_as_a_leaf_is_rejected() -> None:
    for size in range(2, SIZE_SHAPES):
        for index in range(0, size - 1, 2):
            inner, genuine = mth(index, index + 2), list(path(index, 0, size))
            assert refused_inclusion(inner, index, size, genuine[1:], mth(0, size)) == "inclusion_length"
            assert refused_inclusion(inner, index, size, genuine, mth(0, size)) == "inclusion_root"
            # An entry made of an inner node's two children does not hash to that node.
            assert leaf_hash(mth(index, index + 1) + mth(index + 1, index + 2)) != inner


def test_consistency_proof_of_wrong_shape_is_rejected() -> None:
    extra = bytes(32)
    for new in range(1, SIZE_SHAPES):
        for old in range(1, new):
            old_root, new_root, genuine = mth(0, old), mth(0, new), list(proof(old, new))
            wrong = [[*genuine, extra], [extra, *genuine], [*genuine, new_root], [old_root, *genuine], genuine[:-1], []]
            wrong += [genuine[1:], genuine[::-1]] if len(genuine) > 1 else []
            for hashes in wrong:
                refused_consistency(old, old_root, new, new_root, hashes)
            refused_consistency(old, new_root, new, old_root, genuine)
            refused_consistency(old, flip(old_root, 0), new, new_root, genuine)
            refused_consistency(old, old_root, new, old_root, genuine)


def test_consistency_proof_for_another_size_is_rejected() -> None:
    for new in range(1, SIZE_SHAPES):
        for old in range(1, new):
            genuine = list(proof(old, new))
            for other in {old - 1, old + 1} - {new}:
                refused_consistency(other, mth(0, other), new, mth(0, new), genuine)
            for other in {new - 1, new + 1} - {old}:
                refused_consistency(old, mth(0, old), other, mth(0, other), genuine)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 3), (-1, 3), (0, 2**63), (2**63, 2**64)])
def test_index_outside_the_tree_is_an_error(tree: MemoryHashes, index: int, size: int) -> None:
    with pytest.raises(ProofInvalid) as caught:
        prove_inclusion(index, size, tree)
    assert caught.value.code == "inclusion_index"
    assert refused_inclusion(bytes(32), index, size, [], bytes(32)) == "inclusion_index"


@pytest.mark.parametrize(("old", "new"), [(1, 0), (8, 7), (-1, 3), (3, 2**63)])
def test_sizes_that_cannot_extend_each_other_are_an_error(tree: MemoryHashes, old: int, new: int) -> None:
    with pytest.raises(ProofInvalid) as caught:
        prove_consistency(old, new, tree)
    assert caught.value.code == "consistency_size"
    assert refused_consistency(old, bytes(32), new, bytes(32), []) == "consistency_size"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_hash_of_another_length_is_an_error(length: int) -> None:
    short = bytes(length)
    assert refused_inclusion(mth(0, 1), 0, 2, [short], mth(0, 2)) == "inclusion_hash"
    assert refused_inclusion(short, 0, 1, [], short) == "inclusion_hash"
    assert refused_consistency(1, mth(0, 1), 2, mth(0, 2), [short]) == "consistency_hash"
    assert refused_consistency(1, short, 1, short, []) == "consistency_hash"


def test_consistency_of_equal_sizes_and_from_nothing() -> None:
    check_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    check_consistency(0, EMPTY_ROOT, 5, mth(0, 5), [])
    check_consistency(5, mth(0, 5), 5, mth(0, 5), [])
    assert refused_consistency(5, mth(0, 5), 5, mth(0, 4), []) == "consistency_new_root"
    assert refused_consistency(5, mth(0, 5), 5, mth(0, 5), [bytes(32)]) == "consistency_length"
    assert refused_consistency(0, EMPTY_ROOT, 5, mth(0, 5), [bytes(32)]) == "consistency_length"
    assert refused_consistency(0, mth(0, 1), 5, mth(0, 5), []) == "consistency_old_root"


# Stored hashes


def test_stored_hash_numbering_is_dense_and_in_order_of_completion() -> None:
    expected = []
    for leaf in range(1000):
        assert stored_hash_count(leaf) == len(expected)
        level = 0
        while (leaf + 1) % (1 << level) == 0:
            expected.append((level, leaf >> level))
            level += 1
    assert [stored_hash_index(*position) for position in expected] == list(range(len(expected)))
    assert [stored_hash_position(index) for index in range(len(expected))] == expected


@pytest.mark.parametrize("size", [2**20, 2**40 + 12345, 2**62 - 1, 2**62])
def test_stored_hash_numbering_of_large_trees(size: int) -> None:
    for level in range(0, 63, 7):
        number = max((size >> level) - 1, 0)
        assert stored_hash_position(stored_hash_index(level, number)) == (level, number)


def test_a_proof_is_one_read_of_few_hashes() -> None:
    size = 2**62 + 2**31 + 5

    class Counting:
        asked: list[int] = []  # noqa: RUF012 - one test's notebook

        def read_hashes(self, indexes: list[int]) -> list[bytes]:
            self.asked.append(len(indexes))
            return [bytes(32)] * len(indexes)

    reader = Counting()
    for index in (0, 1, 2**61 + 3, 2**62, size - 1):
        prove_inclusion(index, size, reader)
        prove_consistency(index + 1, size, reader)
    tree_root(size, reader)
    assert len(reader.asked) == 5 + 4 + 1  # consistency of a size with itself reads nothing
    assert max(reader.asked) <= 2 * 63


def test_frontier_resumes_from_stored_hashes(tree: MemoryHashes) -> None:
    for size in range(SIZE_EXHAUSTIVE):
        frontier = Frontier(size, tree.read_hashes(frontier_indexes(size)))
        assert (frontier.size, frontier.root()) == (size, mth(0, size))
        first = stored_hash_count(size)
        assert frontier.append(leaf_hash(ENTRIES[size])) == tree.hashes[first : stored_hash_count(size + 1)]
        assert frontier.root() == mth(0, size + 1)


@pytest.mark.parametrize(("size", "hashes"), [(1, 0), (0, 1), (3, 1), (4, 2), (-1, 1)])
def test_frontier_with_hashes_of_another_size_is_an_error(size: int, hashes: int) -> None:
    with pytest.raises(ValueError, match="complete subtrees"):
        Frontier(size, [bytes(32)] * hashes)


# Vectors of others

# transparency-dev/merkle, testonly/constants.go.
EIGHT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
EIGHT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def slow_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962, without a cache and on other entries than the oracle above."""
    if len(entries) < 2:
        return sha256(b"\x00" + entries[0]).digest() if entries else sha256().digest()
    k = split(len(entries))
    return sha256(b"\x01" + slow_root(entries[:k]) + slow_root(entries[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_eight_leaf_tree(size: int) -> None:
    entries = [bytes.fromhex(text) for text in EIGHT_LEAVES[:size]]
    expected = bytes.fromhex(EIGHT_ROOTS[size])
    assert root_of(map(leaf_hash, entries)) == slow_root(entries) == expected


def test_consistency_1_to_8_of_the_eight_leaf_tree() -> None:
    # transparency-dev/merkle, testdata/consistency/1/happy-path.json.
    hashes = [
        b64decode("lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c="),
        b64decode("Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4="),
        b64decode("a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ="),
    ]
    tree = tree_of([bytes.fromhex(text) for text in EIGHT_LEAVES])
    assert prove_consistency(1, 8, tree) == hashes
    assert [item.hex()[:8] for item in hashes] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    check_consistency(1, bytes.fromhex(EIGHT_ROOTS[1]), 8, bytes.fromhex(EIGHT_ROOTS[8]), hashes)


def test_hashes_and_roots_of_the_numbered_entries() -> None:
    leaves = [leaf_hash(ENTRIES[i]).hex() for i in range(3)]
    assert [(leaf[:8], leaf[-4:]) for leaf in leaves] == [
        ("773885a6", "5701"),
        ("2dfb36c6", "08a4"),
        ("57c79f4f", "4a41"),
    ]
    assert mth(0, 1) == b64decode("dziFphNIniTOLPdhmdakI/BC5LvxLX7s7pEu8nbGVwE=")
    assert mth(0, 3) == b64decode("lPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk=")
    assert mth(0, 257) == b64decode("XB/f6DU1gCLyOS3keNvgU/wTDP4dOggoeakM9r8Uv34=")
    assert root_of(leaf_hash(b"entry %d" % i) for i in range(70_000)) == b64decode(
        "o5IPun8jmgcam9EHIfE0Gt3vuu3ttBx+JEN6nRa98Ao="
    )
    assert node_hash(mth(0, 1), mth(1, 2)) == mth(0, 2)
