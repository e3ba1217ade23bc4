"""The native sampler of one run: parameters, and the tokens that its penalties look at."""

from collections.abc import Sequence

from inference.errors import SamplingError
from inference.sampling import SamplingParams
from native.sampler import Sampler, Sampling


def new_sampler(params: SamplingParams, vocab_size: int, kernels: str, prompt_ids: Sequence[int]) -> Sampler:
    """A sampler that has seen the prompt. The caller tells it each token of the output (`see`) before the next draw.

    Raises SamplingError (`id_out_of_range`) for a bias on a token that the vocabulary lacks.
    """
    for id, _ in params.logit_bias:
        if id >= vocab_size:
            raise SamplingError(
                "id_out_of_range", f"logit_bias names token id {id}; the vocabulary has {vocab_size}", "logit_bias"
            )
    sampling = Sampling(
        temperature_micro=params.temperature_micro,
        top_k=params.top_k,
        top_p_micro=params.top_p_micro,
        min_p_micro=params.min_p_micro,
        repetition_micro=params.repetition_micro,
        frequency_micro=params.frequency_micro,
        presence_micro=params.presence_micro,
        seed=params.seed,
        logit_bias=params.logit_bias,
    )
    sampler = Sampler(sampling, vocab_size, kernels)
    sampler.see(prompt_ids, output=False)
    return sampler
