"""The optimiser: Muon for the matrices of the layers, Adam for embedding and norms.

Muon replaces the momentum of a matrix by its nearest semi-orthogonal matrix. On
this budget (about a thousand steps) it needs markedly fewer tokens than Adam, and
its even spectrum leaves no outlier rows for the integer conversion to clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Quintic Newton-Schulz iteration by Keller Jordan: it drives all singular values
# into about 0.7..1.2, which is near enough to 1 for a step direction.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


@dataclass(frozen=True, slots=True)
class OptimConfig:
    muon_lr: float = 0.02
    adam_lr: float = 4e-3
    momentum: float = 0.95
    weight_decay: float = 0.05
    clip_norm: float = 1.0


def orthogonalise(matrix: Tensor) -> Tensor:
    """The matrix with all singular values moved to about 1, as far as bfloat16 tells them apart."""
    a, b, c = NEWTON_SCHULZ
    precision = matrix.dtype
    matrix = matrix.bfloat16()
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(precision)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; decoupled weight decay scaled by the rate."""

    def __init__(self, weights: list[nn.Parameter], lr: float, momentum: float, decay: float):
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["velocity"] = torch.zeros_like(weight)
                velocity = state["velocity"].lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(velocity, group["momentum"])
                # Tall matrices take larger steps, so that outputs move alike.
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(orthogonalise(ahead), alpha=-group["lr"] * scale)


class MixedOptimizer:
    """Both optimisers behind one step, one rate factor and one saved state."""

    def __init__(self, model: nn.Module, config: OptimConfig) -> None:
        named = list(model.named_parameters())
        matrices = [w for name, w in named if w.ndim == 2 and "embedding" not in name]
        others = [w for name, w in named if w.ndim != 2 or "embedding" in name]
        self.config = config
        self.weights = matrices + others
        self.muon = Muon(matrices, config.muon_lr, config.momentum, config.weight_decay)
        self.adam = torch.optim.Adam(others, lr=config.adam_lr, betas=(0.9, 0.95), eps=1e-10)

    def step(self, rate: float) -> None:
        """One update with both learning rates multiplied by rate (0..1)."""
        torch.nn.utils.clip_grad_norm_(self.weights, self.config.clip_norm)
        for optimizer, lr in ((self.muon, self.config.muon_lr), (self.adam, self.config.adam_lr)):
            for group in optimizer.param_groups:
                group["lr"] = lr * rate
            optimizer.step()
            optimizer.zero_grad()

    def state_dict(self) -> dict[str, object]:
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, dict]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
