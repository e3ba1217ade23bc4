"""Held-out figures: nats a token, perplexity and bits a byte of unseen text."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from inference.training.rows import bytes_of

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

    from inference.training.model import Llama


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Sums over texts; `bytes` is the UTF-8 length of the predicted tokens' own text."""

    texts: int
    tokens: int
    bytes: int
    nats: float

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.tokens

    def figures(self) -> dict[str, float]:
        return asdict(self) | {
            "nats_per_token": self.nats_per_token,
            "perplexity": math.exp(self.nats_per_token),
            "bits_per_byte": self.nats / math.log(2) / self.bytes,
        }


@torch.no_grad()
def held_out(model: Llama, rows: list[list[int]], tokenizer: SentencePieceProcessor) -> HeldOut:
    """Sum the loss of each row's tokens after the first; one row at a time, no padding."""
    nats, tokens, size = 0.0, 0, 0
    for row in rows:
        ids = torch.tensor(row)
        logits = model(ids[None, :-1])[0]
        nats += F.cross_entropy(logits, ids[1:], reduction="sum").item()
        tokens += len(row) - 1
        size += bytes_of(row, tokenizer)
    return HeldOut(len(rows), tokens, size, nats)
