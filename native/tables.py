"""Integer tables of rail-int/2 (inference/SPEC.md section 2), made by integer arithmetic only.

The tables are part of the numerics: a digest of each is frozen in the tests. `python native/tables.py` prints them
as a C header for the kernels; the reference engine imports the same values.
"""

from functools import cache

GUARD_BITS = 64
"""Extra fraction bits carried while a table value is computed; the error stays far below the last bit kept."""

EXP2_STEPS = 256
SIGMOID_STEPS = 2048
SIGMOID_STEPS_PER_UNIT = 128
SINE_STEPS = 4096


def _round_shift(value: int, bits: int) -> int:
    """Drop `bits` fraction bits, half up."""
    return (value + (1 << (bits - 1))) >> bits


def _ln2(bits: int) -> int:
    """ln 2 with `bits` fraction bits: sum of 1 / (k 2^k)."""
    return sum((1 << bits) // (k << k) for k in range(1, bits))


def _exp_neg(numerator: int, denominator: int, bits: int) -> int:
    """exp(-numerator/denominator) for a non-negative argument, `bits` fraction bits, by a series after halving."""
    halvings = 24
    x = (numerator << bits) // (denominator << halvings)
    term = total = 1 << bits
    for k in range(1, 40):
        term = -(term * x >> bits) // k
        total += term
    for _ in range(halvings):
        total = total * total >> bits
    return total


def _pi(bits: int) -> int:
    """pi by Machin's formula, `bits` fraction bits."""

    def arctan_inverse(n: int) -> int:
        power = total = (1 << bits) // n
        k = 1
        while power:
            power //= n * n
            k += 2
            total += power // k if k % 4 == 1 else -(power // k)
        return total

    return 4 * (4 * arctan_inverse(5) - arctan_inverse(239))


@cache
def exp2_q30() -> tuple[int, ...]:
    """2^(-i/256) in Q30 for i = 0..256: from 2^30 down to 2^29."""
    bits = 30 + GUARD_BITS
    ln2 = _ln2(bits)
    return tuple(_round_shift(_exp_neg(ln2 * i, EXP2_STEPS << bits, bits), GUARD_BITS) for i in range(EXP2_STEPS + 1))


@cache
def sigmoid_q30() -> tuple[int, ...]:
    """1 / (1 + exp(-i/128)) in Q30 for i = 0..2048, that is on [0, 16]."""
    bits = 30 + GUARD_BITS
    one = 1 << bits
    return tuple(
        _round_shift((one << bits) // (one + _exp_neg(i, SIGMOID_STEPS_PER_UNIT, bits)), GUARD_BITS)
        for i in range(SIGMOID_STEPS + 1)
    )


@cache
def sine_q30() -> tuple[int, ...]:
    """sin(2 pi i / 4096) in Q30 for i = 0..4096, one whole turn."""
    bits = 30 + GUARD_BITS
    pi = _pi(bits)
    quarter = SINE_STEPS // 4
    first: list[int] = []
    for i in range(quarter + 1):
        x = 2 * pi * i // SINE_STEPS
        term = total = x
        for k in range(1, 30):
            term = -(term * x >> bits) * x // ((2 * k) * (2 * k + 1) << bits)
            total += term
        first.append(_round_shift(total, GUARD_BITS))
    half = first + first[-2::-1]
    return tuple(half + [-value for value in half[1:]])


def c_header() -> str:
    """The tables as C constants, for native/tables.h."""
    lines = ["/* Written by native/tables.py; not edited by hand. */", "#include <stdint.h>", ""]
    for name, values in (("EXP2_Q30", exp2_q30()), ("SIGMOID_Q30", sigmoid_q30()), ("SINE_Q30", sine_q30())):
        lines.append(f"static const int32_t {name}[{len(values)}] = {{")
        lines += [", ".join(map(str, values[i : i + 8])) + "," for i in range(0, len(values), 8)]
        lines += ["};", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(c_header())
