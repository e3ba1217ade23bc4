"""Float LLaMA in torch: the network that training fits and `export.py` writes out.

The layout follows llama2.c: RoPE turns the interleaved pairs (2i, 2i+1), the
output projection is the embedding itself, nothing has a bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RMS_EPS = 1e-5
ROPE_THETA = 10000.0
QUERY_BLOCK = 128


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Dimensions of one network, in the order of the llama2.c header."""

    dim: int = 256
    hidden_dim: int = 704
    n_layers: int = 6
    n_heads: int = 4
    n_kv_heads: int = 2
    vocab_size: int = 4096
    seq_len: int = 512

    def __post_init__(self) -> None:
        if self.dim % self.n_heads or self.n_heads % self.n_kv_heads:
            raise ValueError(f"heads do not divide evenly: {self}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd: RoPE turns pairs")

    @property
    def head_dim(self) -> int:
        return self.dim // self.n_heads

    @property
    def kv_dim(self) -> int:
        return self.head_dim * self.n_kv_heads


def rope_tables(seq_len: int, head_dim: int) -> tuple[Tensor, Tensor]:
    """cos and sin of every (position, pair), each (seq_len, head_dim / 2) float32."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    positions = torch.arange(seq_len, dtype=torch.float64)
    angles = torch.outer(positions, ROPE_THETA**-exponents)
    return angles.cos().float(), angles.sin().float()


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pair i of x (batch, heads, seq, head_dim) by its position's angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2)


class RMSNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, RMS_EPS)


class Block(nn.Module):
    """One transformer layer: attention, then the gated feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, kv_dim, hidden = config.dim, config.kv_dim, config.hidden_dim
        self.rms_att = RMSNorm(dim)
        self.wq = nn.Linear(dim, dim, bias=False)
        self.wk = nn.Linear(dim, kv_dim, bias=False)
        self.wv = nn.Linear(dim, kv_dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)
        self.rms_ffn = RMSNorm(dim)
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def attention(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, seq, _ = x.shape
        width, groups = self.config.head_dim, self.config.n_kv_heads
        split = (batch, seq, -1, width)
        q = rotate_pairs(self.wq(x).view(split).transpose(1, 2), cos, sin).to(x.dtype)
        k = rotate_pairs(self.wk(x).view(split).transpose(1, 2), cos, sin).to(x.dtype)
        v = self.wv(x).view(split).transpose(1, 2)
        # Query head h reads key head h // share, as in llama2.c.
        q = (q * width**-0.5).view(batch, groups, -1, seq, width)
        mixed = []
        # In blocks of queries, so that what the mask would hide is mostly never computed.
        for start in range(0, seq, QUERY_BLOCK):
            end = min(start + QUERY_BLOCK, seq)
            block = q[:, :, :, start:end]
            scores = block.flatten(2, 3) @ k[:, :, :end].transpose(-1, -2)
            hidden = torch.full((end - start, end - start), -torch.inf).triu(1)
            scores = scores.view(*block.shape[:4], end).float() + F.pad(hidden, (start, 0))
            weights = torch.softmax(scores, -1).to(v.dtype).flatten(2, 3)
            mixed.append((weights @ v[:, :, :end]).view(block.shape))
        return self.wo(torch.cat(mixed, 3).flatten(1, 2).transpose(1, 2).reshape(batch, seq, -1))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attention(self.rms_att(x), cos, sin)
        h = self.rms_ffn(x)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


class Llama(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.rms_final = RMSNorm(config.dim)
        cos, sin = rope_tables(config.seq_len, config.head_dim)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal(0, 0.02); the two projections into the residual start smaller by depth."""
        residual_scale = (2 * self.config.n_layers) ** -0.5
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                into_residual = name.endswith(("wo.weight", "w2.weight"))
                nn.init.normal_(weight, std=0.02 * (residual_scale if into_residual else 1))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (batch, seq, vocab) for ids (batch, seq), seq at most seq_len."""
        seq = ids.shape[1]
        cos, sin = self.cos[:seq], self.sin[:seq]
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, cos, sin)
        return F.linear(self.rms_final(x), self.embedding.weight)

    def parameter_count(self) -> int:
        """Trained numbers, the shared embedding counted once."""
        return sum(weight.numel() for weight in self.parameters())
