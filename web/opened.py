"""The run that an opened receipt describes, ready to be replayed by whoever holds the receipt."""

from inference.transcript import Transcript
from ledger.receipt import CheckedReceipt
from ledger.statement import GenerationStatement
from web.parameters import runnable


def opened_transcript(checked: CheckedReceipt) -> Transcript | None:
    """The run, or None if the receipt does not show both prompt and output. Raises InferenceError."""
    payload, opened = checked.statement.payload, checked.opened
    if not isinstance(payload, GenerationStatement) or opened is None or not (opened.prompt and opened.output):
        return None
    return Transcript(
        engine=payload.engine,
        model_root=payload.model_root,
        prompt_ids=opened.prompt.ids,
        output_ids=opened.output.ids,
        output_bytes=opened.output.bytes,
        params=runnable(payload.sampling, opened.prompt.stop, opened.prompt.bias),
        finish_reason=payload.finish,
    )
