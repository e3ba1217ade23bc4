"""Published fingerprints of texts, if they are installed: the most similar record by exhaustive comparison."""

from abc import ABC, abstractmethod

import numpy as np

from web.bench.matching.methods import Found, Method
from web.bench.matching.sets import Registered

_BITS = 256


class _Bits(ABC):
    """Fingerprints of 256 bits, compared by Hamming distance."""

    def __init__(self, records: list[Registered]) -> None:
        self._known = np.stack([self._packed(record.output_text) for record in records])

    @abstractmethod
    def fingerprint(self, text: str) -> bytes:
        """32 bytes."""

    def _packed(self, text: str) -> np.ndarray:
        return np.frombuffer(self.fingerprint(text), dtype=np.uint64)

    def find(self, text: str) -> Found:
        distances = np.bitwise_count(self._known ^ self._packed(text)).sum(axis=1)
        best = int(distances.argmin())
        return Found(1 - float(distances[best]) / _BITS, best)


class SimHash(_Bits):
    """`com.writerslogic.text-fingerprint.1`, a registered C2PA soft binding."""

    name = "c2pa simhash"

    def fingerprint(self, text: str) -> bytes:
        from c2pa_text_binding import text_fingerprint

        return bytes.fromhex(text_fingerprint(text))


class IsccText(_Bits):
    """The Text-Code of ISO 24138."""

    name = "iscc text"

    def fingerprint(self, text: str) -> bytes:
        from iscc_core import gen_text_code_v0
        from iscc_core.codec import decode_base32

        return bytes(decode_base32(gen_text_code_v0(text, bits=_BITS)["iscc"].removeprefix("ISCC:"))[2:])


class MinHash:
    """`com.writerslogic.text-minhash.1`: 128 minima; the score is the share that agrees."""

    name = "c2pa minhash"

    def __init__(self, records: list[Registered]) -> None:
        self._known = np.stack([self._signature(record.output_text) for record in records])

    @staticmethod
    def _signature(text: str) -> np.ndarray:
        from c2pa_text_binding import minhash_signature

        return np.array(minhash_signature(text), dtype=np.uint64)

    def find(self, text: str) -> Found:
        agree = (self._known == self._signature(text)).mean(axis=1)
        best = int(agree.argmax())
        return Found(float(agree[best]), best)


def installed_peers(records: list[Registered]) -> tuple[list[Method], list[str]]:
    """(those that are installed, names of the packages that are not)."""
    methods: list[Method] = []
    missing: list[str] = []
    for package, kinds in (("c2pa-text-binding", (SimHash, MinHash)), ("iscc-core", (IsccText,))):
        try:
            methods += [kind(records) for kind in kinds]
        except ImportError:
            missing.append(package)
    return methods, missing
