"""The record of one run: all that another machine needs to check it, given the model (SPEC.md, "Transcript")."""

from dataclasses import dataclass

from inference.errors import InferenceError
from inference.sampling import SamplingParams

FINISH_REASONS = ("stop", "length", "cancelled")
IDS_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Transcript:
    """What went into a run and what came out. Raises InferenceError (`transcript_invalid`) for impossible values.

    Whether the ids fit a model, and whether the run happened, is for `Engine.replay` to say.
    """

    engine: str
    model_root: bytes
    prompt_ids: tuple[int, ...]  # as the model saw them, BOS included
    output_ids: tuple[int, ...]  # every sampled id, a final EOS or BOS included
    output_bytes: bytes  # of the output ids up to the stop text, which is not part of it; not always valid UTF-8
    params: SamplingParams
    finish_reason: str  # "stop": EOS, BOS or a stop text; "length": max_tokens or the context; or "cancelled"

    def __post_init__(self) -> None:
        if type(self.engine) is not str or type(self.model_root) is not bytes or len(self.model_root) != 32:
            raise _invalid("engine must be a text and model_root 32 bytes")
        for name in ("prompt_ids", "output_ids"):
            ids = getattr(self, name)
            if type(ids) is not tuple or len(ids) > IDS_MAX:
                raise _invalid(f"{name} must be a tuple of at most {IDS_MAX}")
            if any(type(id) is not int or not 0 <= id < IDS_MAX for id in ids):
                raise _invalid(f"{name} must be integers from 0 to {IDS_MAX - 1}")
        if type(self.output_bytes) is not bytes or type(self.params) is not SamplingParams:
            raise _invalid("output_bytes must be bytes and params sampling parameters")
        if self.finish_reason not in FINISH_REASONS:
            raise _invalid(f"finish_reason must be one of {', '.join(FINISH_REASONS)}")

    @property
    def text(self) -> str:
        """The output as text; bytes that are not UTF-8 become replacement characters."""
        return self.output_bytes.decode("utf-8", "replace")


def _invalid(rule: str) -> InferenceError:
    return InferenceError("transcript_invalid", f"transcript: {rule}")
