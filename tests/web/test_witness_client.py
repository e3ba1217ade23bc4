"""An independent log, with an independent client of tlog-witness, is cosigned by our witness over HTTP."""

import json
from pathlib import Path

from witness_log import _core as witness_log
from witness_log import witnessing

from ledger.keys import COSIGNATURE_V1, SigningKey, VerifyKey
from ledger.witness import Witness
from tests.web.conftest import served
from web.witness_app import create_witness_app

KEY = SigningKey.from_seed("ours.test/w", b"o" * 32, COSIGNATURE_V1)


def test_witness_log_gets_its_cosignatures_from_us(tmp_path: Path) -> None:
    log = witness_log.WitnessLog.generate()
    origin = log.canonical_origin()
    with (
        Witness.open(tmp_path / "witness.db", [KEY], create=True) as witness,
        served(create_witness_app(witness)) as url,  # type: ignore[arg-type]
    ):
        entry = json.loads(witness_log.witness_entry_independent(KEY.name, "somebody", url, KEY.public.hex()))
        state = tmp_path / "state.json"

        def submit() -> witnessing.RoundResult:
            return witnessing.submit_round(log, {"witnesses": [entry]}, str(state))

        log.append_intent(b"first")
        unknown = submit()
        assert (unknown.cosignatures, unknown.outcomes[0]["status"]) == (0, 404)
        witness.add_log(VerifyKey.parse(log.c2sp_vkey(origin)), origin)
        for size in (1, 1, 3, 200):
            for _ in range(size - log.tree_size()):
                log.append_intent(b"another")
            done = submit()
            assert (done.tree_size, done.cosignatures) == (size, 1), done.outcomes
            assert [known.size for known in witness.logs()] == [size]
        state.unlink()  # it begins again at 0, and is told where we are
        log.append_intent(b"last")
        assert submit().cosignatures == 1
