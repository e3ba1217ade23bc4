"""Runs of a set length on models of random weights, which would end anywhere else by chance."""

from inference.modelfile import ModelFile
from inference.sampling import BIAS_MICRO_MAX, SamplingParams


def params_of_length(file: ModelFile, tokens: int, seed: int = 1) -> SamplingParams:
    """Temperature 1; no token that ends a run is ever drawn."""
    bias = tuple((id, -BIAS_MICRO_MAX) for id in sorted(file.vocabulary.stop_ids))
    return SamplingParams(temperature_micro=1_000_000, seed=seed, max_tokens=tokens, logit_bias=bias)
