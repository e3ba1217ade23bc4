"""The run that an opened receipt describes, ready to be replayed by whoever holds the receipt."""

from inference.sampling import SamplingParams
from inference.transcript import Transcript
from ledger.receipt import CheckedReceipt
from ledger.statement import GenerationStatement


def opened_transcript(checked: CheckedReceipt) -> Transcript | None:
    """The run, or None if the receipt does not show both prompt and output. Raises InferenceError."""
    payload, opened = checked.statement.payload, checked.opened
    if not isinstance(payload, GenerationStatement) or opened is None or not (opened.prompt and opened.output):
        return None
    sampling = payload.sampling
    return Transcript(
        engine=payload.engine,
        model_root=payload.model_root,
        prompt_ids=opened.prompt.ids,
        output_ids=opened.output.ids,
        output_bytes=opened.output.bytes,
        params=SamplingParams(
            temperature_micro=sampling.temperature_micro,
            top_k=sampling.top_k,
            top_p_micro=sampling.top_p_micro,
            seed=sampling.seed,
            max_tokens=sampling.max_tokens,
            stop=opened.prompt.stop,
        ),
        finish_reason=payload.finish,
    )
