"""The sampler of the engine contract in plain Python integers: the oracle of the tests (SPEC.md section 6).

Written from the SPEC for one draw at a time: sorted lists and simple loops. Where the kernels differ from this in one
token, the kernels are wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MICRO = 1_000_000
INT32_LIMIT = 2**31 - 1

LOG2E_Q35 = 49_570_624_150
EXPONENT_END = 30 << 19  # Q19; what is further down the curve has weight 0
EIGHTHS = (1028218693, 942880699, 864625413, 792865000, 727060411, 666717336, 611382493, 560640218)


@dataclass(frozen=True, slots=True)
class Draw:
    """Parameters of a draw, in millionths where the name says so."""

    temperature_micro: int = 0
    top_k: int = 0
    top_p_micro: int = MICRO
    min_p_micro: int = 0
    repetition_micro: int = MICRO
    frequency_micro: int = 0
    presence_micro: int = 0
    seed: int = 0
    logit_bias: Mapping[int, int] = field(default_factory=dict)


def round_divide(numerator: int, denominator: int) -> int:
    """floor(numerator / denominator + 1/2)."""
    return (2 * numerator + denominator) // (2 * denominator)


def saturate(value: int) -> int:
    return max(-INT32_LIMIT, min(INT32_LIMIT, value))


def adjusted(logits: Sequence[int], draw: Draw, prompt: Sequence[int], output: Sequence[int]) -> list[int]:
    """Step 1: logit bias, then the penalties on what the sequence holds so far."""
    out = list(logits)
    for id, bias in draw.logit_bias.items():
        out[id] = saturate(out[id] + round_divide(bias << 16, MICRO))
    if (draw.repetition_micro, draw.frequency_micro, draw.presence_micro) == (MICRO, 0, 0):
        return out
    for id in {*prompt, *output}:
        value = out[id]
        if value > 0:
            value = round_divide(value * MICRO, draw.repetition_micro)
        else:
            value = round_divide(value * draw.repetition_micro, MICRO)
        count = output.count(id)
        penalty = draw.frequency_micro * count + (draw.presence_micro if count else 0)
        out[id] = saturate(value - round_divide(penalty << 16, MICRO))
    return out


def weight(distance: int, temperature_micro: int) -> int:
    """Step 3: about 2^30 e^(-distance / temperature) for a distance in Q16."""
    rate = (LOG2E_Q35 * MICRO + temperature_micro // 2) // temperature_micro
    shift = max(0, rate.bit_length() - 32)
    exponent = (distance << shift) * (rate >> shift) >> 32
    if exponent >= EXPONENT_END:
        return 0
    rest = exponent % 65536 - 32768
    change = -22719 * rest + 984 * (rest * rest >> 16) >> 15
    eighth = EIGHTHS[exponent >> 16 & 7]
    return eighth + ((eighth >> 15) * change >> 4) >> (exponent >> 19)


def distribution(
    logits: Sequence[int], draw: Draw, prompt: Sequence[int] = (), output: Sequence[int] = ()
) -> dict[int, int]:
    """Steps 1 to 4: the tokens that can be drawn, with their weights; never none."""
    values = adjusted(logits, draw, prompt, output)
    order = sorted(range(len(values)), key=lambda id: (-values[id], id))
    if draw.temperature_micro == 0:
        return {order[0]: 1}
    best = values[order[0]]
    weights = {id: weight(best - values[id], draw.temperature_micro) for id in order}
    kept = [id for id in order if weights[id]]
    if draw.top_k:
        kept = kept[: draw.top_k]
    if draw.top_p_micro < MICRO:
        total, running, count = sum(weights[id] for id in kept), 0, 0
        while running * MICRO < total * draw.top_p_micro:
            running += weights[kept[count]]
            count += 1
        kept = kept[:count]
    least = weights[order[0]] * draw.min_p_micro
    return {id: weights[id] for id in kept if weights[id] * MICRO >= least}


def pick(weights: Mapping[int, int], seed: int, position: int) -> int:
    """Step 5: the token at `position` of the sequence."""
    target = philox(seed, position) * sum(weights.values()) >> 64
    for id in sorted(weights):
        if target < weights[id]:
            return id
        target -= weights[id]
    raise AssertionError("unreachable: the target is below the sum")


def philox(seed: int, counter: int) -> int:
    """First 64 bits of the Philox 4x32-10 block at `counter`, from the paper's definition."""
    mask = 2**32 - 1
    key = [seed & mask, seed >> 32]
    c = [counter & mask, counter >> 32, 0, 0]
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(b >> 32) ^ c[1] ^ key[0], b & mask, (a >> 32) ^ c[3] ^ key[1], a & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return c[1] << 32 | c[0]
