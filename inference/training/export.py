"""Float model to llama2.c's legacy `.bin`: header of 7 int32, then float32 tensors.

    dim | hidden_dim | n_layers | n_heads | n_kv_heads | vocab_size | seq_len
    tok_emb  rms_att*  wq*  wk*  wv*  wo*  rms_ffn*  w1*  w2*  w3*  rms_final
    freq_cis_real  freq_cis_imag                      (* all layers in a row)

A positive vocab_size says that the output projection is tok_emb.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from inference.training.model import Llama

PER_LAYER = ("rms_att", "wq", "wk", "wv", "wo", "rms_ffn", "w1", "w2", "w3")


def tensors_in_order(model: Llama) -> Iterator[Tensor]:
    yield model.embedding.weight
    for name in PER_LAYER:
        for block in model.blocks:
            yield getattr(block, name).weight
    yield model.rms_final.weight
    yield model.cos
    yield model.sin


def export_llama2c(model: Llama, path: Path) -> None:
    shape = model.config
    header = struct.pack(
        "<7i",
        shape.dim,
        shape.hidden_dim,
        shape.n_layers,
        shape.n_heads,
        shape.n_kv_heads,
        shape.vocab_size,
        shape.seq_len,
    )
    with path.open("wb") as sink:
        sink.write(header)
        for tensor in tensors_in_order(model):
            sink.write(tensor.detach().numpy().astype("<f4").tobytes())
