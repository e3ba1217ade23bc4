"""A witness (C2SP tlog-witness): knows the latest checkpoint of each log, and cosigns only what extends it.

`Witness` is the whole of it, without HTTP; `request` has the bytes that travel between a log and its witnesses.
"""

from ledger.witness.service import Refused, StaleSize, Witness, WitnessedLog

__all__ = ["Refused", "StaleSize", "Witness", "WitnessedLog"]
