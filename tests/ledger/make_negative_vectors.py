"""Writes tests/vectors/ledger/negative_proofs.json: inclusion and consistency proofs that every verifier must refuse.

    .venv/bin/python tests/ledger/make_negative_vectors.py

Each is a true proof of the small trees below with one thing changed, named after it. The leaves of a tree of size n are
SHA-256(0x00 || "entry 0") to SHA-256(0x00 || "entry n-1"). A "valid" list holds the true proofs beside them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ledger.merkle import EMPTY_ROOT, SIZE_MAX, leaf_hash, prove_consistency, prove_inclusion, root_of
from tests.ledger.ledger_samples import MemoryHashes

TARGET = Path(__file__).resolve().parents[1] / "vectors" / "ledger" / "negative_proofs.json"
SIZES = (1, 2, 3, 5, 8, 11)

Vector = dict[str, object]


def hashes(size: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % index) for index in range(size)]


def tree(size: int) -> MemoryHashes:
    memory = MemoryHashes()
    for index in range(size):
        memory.append(b"entry %d" % index)
    return memory


def flipped(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def changed_proofs(proof: list[bytes], root: bytes) -> Iterator[tuple[str, list[bytes]]]:
    for place, value in enumerate(proof):
        yield f"bit flipped in hash {place}", [*proof[:place], flipped(value, 7 * place % 256), *proof[place + 1 :]]
        yield f"hash {place} missing", proof[:place] + proof[place + 1 :]
        yield f"hash {place} twice", [*proof[: place + 1], value, *proof[place + 1 :]]
        yield f"hash {place} short", [*proof[:place], value[:-1], *proof[place + 1 :]]
        yield f"hash {place} long", [*proof[:place], value + b"\0", *proof[place + 1 :]]
    if len(proof) > 1 and proof[0] != proof[1]:
        yield "first two hashes swapped", [proof[1], proof[0], *proof[2:]]
        yield "reversed", proof[::-1]
    yield "root added", [*proof, root]
    yield "zero hash before", [bytes(32), *proof]
    yield "empty hash added", [*proof, b""]


def inclusion(size: int) -> Iterator[tuple[str, Vector]]:
    leaves, memory = hashes(size), tree(size)
    root = root_of(leaves)
    for index in sorted({0, 1, size // 2, size - 2, size - 1} & set(range(size))):
        proof = prove_inclusion(index, size, memory)
        good: Vector = {"leaf": leaves[index], "index": index, "size": size, "root": root, "proof": proof}
        yield "valid", good
        for name, changed in changed_proofs(proof, root):
            if changed != proof:
                yield name, {**good, "proof": changed}
        yield "index of the next leaf", {**good, "index": index + 1}
        yield "index is the size", {**good, "index": size}
        yield "index negative", {**good, "index": -1}
        yield "index of 64 bits", {**good, "index": index + 2**63}
        yield "size doubled", {**good, "size": 2 * size}
        yield "size zero", {**good, "size": 0}
        yield "size of 64 bits", {**good, "size": SIZE_MAX + 1}
        yield "leaf bit flipped", {**good, "leaf": flipped(leaves[index], 100)}
        yield "leaf not hashed", {**good, "leaf": b"entry %d" % index}
        yield "root bit flipped", {**good, "root": flipped(root, 0)}
        yield "root empty", {**good, "root": EMPTY_ROOT}
        if size > 1:
            yield "root of the tree before", {**good, "root": root_of(leaves[:-1])}


def consistency(old: int, new: int) -> Iterator[tuple[str, Vector]]:
    leaves, memory = hashes(new), tree(new)
    old_root, new_root = root_of(leaves[:old]), root_of(leaves)
    proof = prove_consistency(old, new, memory)
    good: Vector = {"old_size": old, "old_root": old_root, "new_size": new, "new_root": new_root, "proof": proof}
    yield "valid", good
    for name, changed in changed_proofs(proof, new_root):
        yield name, {**good, "proof": changed}
    yield "sizes swapped", {**good, "old_size": new, "new_size": old} if old != new else {**good, "new_size": old - 1}
    yield "old root bit flipped", {**good, "old_root": flipped(old_root, 3)}
    yield "new root bit flipped", {**good, "new_root": flipped(new_root, 3)}
    yield "old size negative", {**good, "old_size": -1}
    yield "new size of 64 bits", {**good, "new_size": SIZE_MAX + 1}
    if old != new:
        yield "roots swapped", {**good, "old_root": new_root, "new_root": old_root}
        yield "proof empty", {**good, "proof": []}
        yield "same size, two roots", {**good, "old_size": new, "proof": []}
        yield "old tree said to be empty", {**good, "old_size": 0, "old_root": EMPTY_ROOT}


def plain(vector: Vector) -> dict[str, object]:
    def text(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex()
        return [text(item) for item in value] if isinstance(value, list) else value

    return {name: text(value) for name, value in vector.items()}


def vectors() -> dict[str, object]:
    made: dict[str, object] = {"about": " ".join((__doc__ or "").split("\n\n")[2].split())}
    pairs = [(old, new) for new in SIZES for old in (1, 2, 3, 4, 6, 8) if old <= new]
    kinds = {
        "inclusion": [item for size in SIZES for item in inclusion(size)],
        "consistency": [item for pair in pairs for item in consistency(*pair)],
    }
    for kind, items in kinds.items():
        made[f"{kind}_valid"] = [plain(vector) for name, vector in items if name == "valid"]
        made[f"{kind}_invalid"] = [{"fault": name, **plain(vector)} for name, vector in items if name != "valid"]
    return made


def file_text(made: dict[str, object]) -> str:
    """One vector a line."""
    parts = [f'"about": {json.dumps(made["about"])}']
    for name, items in made.items():
        if isinstance(items, list):
            parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    TARGET.write_text(file_text(vectors()), encoding="utf-8")
