"""What the ledger does in C, behind cffi: the same answers as the rules in Python beside it, sooner.

This is the only file of the ledger that touches C pointers. Arguments are checked here, once: the C side trusts its
caller.
"""

from ledger.compiled._compiled import lib


def cbor_is_valid(data: bytes, depth: int) -> bool:
    """Whether `data` is one value of the subset of ledger/cbor.py in its one encoding, nested `depth` deep at most."""
    return bool(lib.rail_cbor_valid(data, len(data), depth))
