"""RFC 6962 Merkle trees: roots, inclusion proofs and consistency proofs, over any source of stored hashes.

    size 7:            r
                  /         \\           leaf  = SHA-256(0x00 || entry)
              a                 b        node  = SHA-256(0x01 || left || right)
           /     \\           /    \\      empty = SHA-256("")
          c       d         e      |
         / \\     / \\       / \\     |     The left subtree of n leaves has the largest power of two below n.
        0   1   2   3     4   5    6     A lone node is promoted, never doubled.

Roots and proofs are computed from stored hashes (see ledger.stored_hashes), which any source may hold.

Specification: RFC 6962 section 2.1, RFC 9162 section 2.1.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from ledger.errors import ProofInvalid
from ledger.stored_hashes import HashReader, hashes_completed_by, subtree_cover

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
SIZE_MAX = (1 << 63) - 1
PROOF_HASHES_MAX = 63


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf with these entry bytes."""
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each; a third faster than one by one."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node with these children."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Root of the tree with these leaf hashes, in one pass with O(log n) memory."""
    frontier = Frontier()
    for item in leaf_hashes:
        frontier.append(item)
    return frontier.root()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root of a complete subtree from a power of two of its hashes, left to right."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


class Frontier:
    """The right edge of a growing tree: everything that is needed to append leaves and to know the root.

    `hashes` are the hashes at `frontier_indexes(size)`.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if not 0 <= size <= SIZE_MAX or len(hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves does not have {len(hashes)} complete subtrees at its edge")
        self._size = size
        self._hashes = list(hashes)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, new_leaf_hash: bytes) -> list[bytes]:
        """Add a leaf; return the hashes to store at stored_hash_count(old size) and the indexes that follow it."""
        stored = [new_leaf_hash]
        for _ in range(hashes_completed_by(self._size) - 1):
            stored.append(node_hash(self._hashes.pop(), stored[-1]))
        self._hashes.append(stored[-1])
        self._size += 1
        return stored

    def root(self) -> bytes:
        """Root of the tree so far."""
        return _join(self._hashes)


def tree_root(size: int, reader: HashReader) -> bytes:
    """Root of the first `size` leaves; reads at most log2(size) + 1 hashes in one call."""
    return _read_subtrees([(0, size)], reader)[0]


# Proofs


def prove_inclusion(index: int, size: int, reader: HashReader) -> list[bytes]:
    """Hashes that lead from leaf `index` to the root of `size` leaves: the leaf's sibling first, the root's child last.

    Raises ProofInvalid (`inclusion_index`) unless 0 <= index < size. Reads at most 2 log2(size) hashes in one call.
    """
    _check_inclusion_range(index, size)
    siblings: list[tuple[int, int]] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _left_leaves(stop - start)
        if index < middle:
            siblings.append((middle, stop))
            stop = middle
        else:
            siblings.append((start, middle))
            start = middle
    return _read_subtrees(siblings[::-1], reader)


def check_inclusion(hash_of_leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return if `proof` shows the leaf at `index` of the tree with this size and root; raise ProofInvalid if not.

    Codes: `inclusion_index`, `inclusion_length`, `inclusion_hash`, `inclusion_root`. RFC 9162 section 2.1.3.2.
    """
    _check_hashes("inclusion", [root])
    if inclusion_root(hash_of_leaf, index, size, proof) != root:
        raise ProofInvalid("inclusion_root", f"leaf {index} of {size} leads to another root; leaf or proof is altered")


def inclusion_root(hash_of_leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root of the tree of this size in which `proof` shows the leaf at `index`; errors as of `check_inclusion`."""
    _check_inclusion_range(index, size)
    _check_hashes("inclusion", [hash_of_leaf, *proof])
    node, last = index, size - 1  # numbers of the current node and of its level's last node
    current = hash_of_leaf
    used = 0
    while last:
        if node & 1 or node < last:
            if used == len(proof):
                raise ProofInvalid("inclusion_length", f"the inclusion proof of leaf {index} of {size} is too short")
            sibling = proof[used]
            used += 1
            current = node_hash(sibling, current) if node & 1 else node_hash(current, sibling)
        # Otherwise the node is alone at the right edge, and is promoted unchanged.
        node >>= 1
        last >>= 1
    if used != len(proof):
        raise ProofInvalid(
            "inclusion_length",
            f"the inclusion proof of leaf {index} of {size} has {len(proof)} hashes, {used} were expected",
        )
    return current


def prove_consistency(old: int, new: int, reader: HashReader) -> list[bytes]:
    """Hashes that show that the first `old` of `new` leaves are the old tree; empty if old is 0 or new.

    Raises ProofInvalid (`consistency_size`) unless 0 <= old <= new. RFC 6962 section 2.1.2.
    """
    _check_consistency_range(old, new)
    if old in (0, new):
        return []
    siblings: list[tuple[int, int]] = []
    start, stop = 0, new
    while old != stop:
        middle = start + _left_leaves(stop - start)
        if old <= middle:
            siblings.append((middle, stop))
            stop = middle
        else:
            siblings.append((start, middle))
            start = middle
    if start:  # With start = 0 the old tree is this very subtree, and the verifier has its root already.
        siblings.append((start, stop))
    return _read_subtrees(siblings[::-1], reader)


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Return if `proof` shows that the new tree begins with the old one; raise ProofInvalid if not.

    Codes: `consistency_size`, `consistency_length`, `consistency_hash`, `consistency_old_root`,
    `consistency_new_root`. RFC 9162 section 2.1.4.2.
    """
    _check_consistency_range(old, new)
    _check_hashes("consistency", [*proof, old_root, new_root])
    if old in (0, new):
        if proof:
            raise ProofInvalid(
                "consistency_length", f"sizes {old} and {new} need no proof, {len(proof)} hashes are given"
            )
        if old == new and old_root != new_root:
            raise ProofInvalid("consistency_new_root", f"two different roots for the one size {new}: a split view")
        if old == 0 and old_root != EMPTY_ROOT:
            raise ProofInvalid("consistency_old_root", "the root of size 0 is not the empty root")
        return
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    hashes = [old_root, *proof] if node == 0 else list(proof)
    if not hashes:
        raise ProofInvalid("consistency_length", f"the consistency proof from {old} to {new} is empty")
    old_current = new_current = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofInvalid("consistency_length", f"the consistency proof from {old} to {new} is too long")
        if node & 1 or node == last:
            old_current = node_hash(sibling, old_current)
            new_current = node_hash(sibling, new_current)
            while node and not node & 1:  # Promoted over the levels where it is alone.
                node >>= 1
                last >>= 1
        else:
            new_current = node_hash(new_current, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise ProofInvalid("consistency_length", f"the consistency proof from {old} to {new} is too short")
    if old_current != old_root:
        raise ProofInvalid("consistency_old_root", f"the proof from {old} to {new} does not begin with the old tree")
    if new_current != new_root:
        raise ProofInvalid("consistency_new_root", f"the proof from {old} to {new} does not lead to the new root")


# Subtrees as half-open ranges of leaves


def _left_leaves(leaves: int) -> int:
    """Largest power of two below `leaves` (which is at least 2)."""
    return 1 << ((leaves - 1).bit_length() - 1)


def _join(hashes: Sequence[bytes]) -> bytes:
    """Hash of a subtree from the complete subtrees it is made of, left to right."""
    if not hashes:
        return EMPTY_ROOT
    current = hashes[-1]
    for left in reversed(hashes[:-1]):
        current = node_hash(left, current)
    return current


def _read_subtrees(ranges: Sequence[tuple[int, int]], reader: HashReader) -> list[bytes]:
    """Hash of each subtree, with one call of the reader for all."""
    covers = [subtree_cover(start, stop) for start, stop in ranges]
    wanted = [index for cover in covers for index in cover]
    found = iter(reader.read_hashes(wanted)) if wanted else iter(())
    return [_join([next(found) for _ in cover]) for cover in covers]


# Checks of arguments that come from outside


def _check_inclusion_range(index: int, size: int) -> None:
    if not 0 <= index < size <= SIZE_MAX:
        raise ProofInvalid("inclusion_index", f"leaf {index} is not in a tree of {size} leaves")


def _check_consistency_range(old: int, new: int) -> None:
    if not 0 <= old <= new <= SIZE_MAX:
        raise ProofInvalid("consistency_size", f"a tree of {new} leaves cannot extend one of {old}")


def _check_hashes(kind: str, hashes: Sequence[bytes]) -> None:
    if set(map(len, hashes)) != {HASH_BYTES}:
        raise ProofInvalid(f"{kind}_hash", f"a hash of the {kind} proof does not have {HASH_BYTES} bytes")
