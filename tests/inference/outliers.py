"""Outliers as large models have them, planted in a small float model.

hidden units    rows of w3 times `factor`, columns of w2 divided by it: the function stays what it was
residual        the stream stands in a wider space, as (constant, U x) with U orthonormal; the constant is `factor`
                times the median of |U x|. Norms see it, so the function changes a little: each norm's gain makes
                up for it on average. At a width of 4096, one such channel has about half the energy.
"""

from dataclasses import replace

import numpy as np
from float_reference import Floats, float_logits

from inference.convert.float_model import FloatModel

READERS = {"norm_attn": ("wq", "wk", "wv"), "norm_ffn": ("w1", "w3")}


def loud_hidden_units(model: FloatModel, factor: int, units: int, width: int) -> FloatModel:
    """`units` of each layer's hidden units are loud; the others are filled up with silent ones to `width`."""
    config, tensors = model.config, dict(model.tensors)
    for layer in range(config.n_layers):
        p = f"layers.{layer}."
        loud = np.random.default_rng(layer).choice(config.ffn_dim, units, replace=False)
        gain = np.ones(config.ffn_dim, np.float32)
        gain[loud] = factor
        silent = width - config.ffn_dim
        tensors[p + "w1"] = np.pad(model.tensor(p + "w1"), ((0, silent), (0, 0)))
        tensors[p + "w3"] = np.pad(model.tensor(p + "w3") * gain[:, None], ((0, silent), (0, 0)))
        tensors[p + "w2"] = np.pad(model.tensor(p + "w2") / gain, ((0, 0), (0, silent)))
    return replace(model, config=replace(config, ffn_dim=width), tensors=tensors)


def loud_residual(model: FloatModel, factor: int, width: int, ids: list[int]) -> FloatModel:
    """One channel of the residual stream is loud; `ids` is text on which medians and gains are taken."""
    config = model.config
    streams: list[Floats] = []
    float_logits(model, ids, streams)
    noise = np.random.default_rng(1).standard_normal((width - 1, config.dim))
    basis = np.linalg.qr(noise)[0].astype(np.float32)
    constant = np.float32(factor * np.median(np.abs(np.concatenate(streams) @ basis.T)))

    def across(rows: Floats, first: float = 0) -> Floats:
        return np.hstack([np.full((len(rows), 1), first, np.float32), rows @ basis.T])

    tensors = dict(model.tensors) | {"tok_embed": across(model.tensor("tok_embed"), constant)}
    norms = [f"layers.{layer}.{norm}" for layer in range(config.n_layers) for norm in READERS]
    for norm, stream in zip([*norms, "norm_final"], streams, strict=True):
        energy = (stream * stream).sum(axis=1)
        louder = np.sqrt((energy + constant * constant) / width) / np.sqrt(energy / config.dim)
        gain = model.tensor(norm) * np.float32(louder.mean())
        layer, _, kind = norm.rpartition(".")
        for reader in [f"{layer}.{part}" for part in READERS[kind]] if layer else ["head"]:
            source = reader if reader in model.tensors else "tok_embed"
            tensors[reader] = across(model.tensor(source) * gain)
        tensors[norm] = np.ones(width, np.float32)
    for layer in range(config.n_layers):
        for writer in (f"layers.{layer}.wo", f"layers.{layer}.w2"):
            tensors[writer] = across(model.tensor(writer).T).T
    return replace(model, config=replace(config, dim=width), tensors=tensors)
