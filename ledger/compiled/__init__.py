"""What the ledger does in C, behind cffi: the same answers as the rules in Python beside it, sooner.

This is the only file of the ledger that touches C pointers. Arguments are checked here, once: the C side trusts its
caller.
"""

from array import array
from collections.abc import Sequence
from itertools import chain

from nacl._sodium import ffi as sodium_ffi  # its public bindings have no address that C can call
from nacl._sodium import lib as sodium

from ledger.compiled._compiled import ffi, lib

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64

_CRYPTO_SIGN_OPEN = int(sodium_ffi.cast("uintptr_t", sodium_ffi.addressof(sodium, "crypto_sign_open")))


def cbor_is_valid(data: bytes, depth: int) -> bool:
    """Whether `data` is one value of the subset of ledger/cbor.py in its one encoding, nested `depth` deep at most."""
    return bool(lib.rail_cbor_valid(data, len(data), depth))


def ed25519_valid(signed: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """For each (public key, signature, message) whether the signature holds, by libsodium's rules."""
    if any(len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES for public, signature, _ in signed):
        raise ValueError(f"a key has {PUBLIC_BYTES} bytes, a signature {SIGNATURE_BYTES}")
    lengths = array("Q", [SIGNATURE_BYTES + len(message) for _, _, message in signed])
    messages = b"".join(chain.from_iterable([(signature, message) for _, signature, message in signed]))
    keys, valid = b"".join([public for public, _, _ in signed]), bytearray(len(signed))
    lib.rail_open_each(
        _CRYPTO_SIGN_OPEN, messages, ffi.from_buffer("uint64_t[]", lengths), keys, len(signed), ffi.from_buffer(valid)
    )
    return [value == 1 for value in valid]
