"""Sampling parameters on their way between a statement with its content and the engine."""

from collections.abc import Sequence

from inference.sampling import SamplingParams
from ledger.commitment import Biases
from ledger.statement import Sampling


def stated(params: SamplingParams) -> Sampling:
    """What a statement says of them. Stop texts and biases go into the prompt's content."""
    return Sampling(
        temperature_micro=params.temperature_micro,
        top_k=params.top_k,
        top_p_micro=params.top_p_micro,
        seed=params.seed,
        max_tokens=params.max_tokens,
        min_p_micro=params.min_p_micro,
        repetition_micro=params.repetition_micro,
        frequency_micro=params.frequency_micro,
        presence_micro=params.presence_micro,
        logit_biases=len(params.logit_bias),
    )


def runnable(sampling: Sampling, stop: Sequence[str], logit_bias: Biases) -> SamplingParams:
    """Inverse of `stated`. Raises SamplingError for what no run of this engine can have had."""
    return SamplingParams(
        temperature_micro=sampling.temperature_micro,
        top_k=sampling.top_k,
        top_p_micro=sampling.top_p_micro,
        min_p_micro=sampling.min_p_micro,
        repetition_micro=sampling.repetition_micro,
        frequency_micro=sampling.frequency_micro,
        presence_micro=sampling.presence_micro,
        seed=sampling.seed,
        max_tokens=sampling.max_tokens,
        stop=tuple(stop),
        logit_bias=logit_bias,
    )
