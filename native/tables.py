"""The table of rail-int/2 (inference/SPEC.md section 2), made by integer arithmetic only.

It is part of the numerics: its digest is frozen in the tests. `python native/tables.py` prints it as a C header for the
kernels; the reference engine imports the same values.
"""

from functools import cache

GUARD_BITS = 64
"""Extra fraction bits carried while a table value is computed; the error stays far below the last bit kept."""

SINE_STEPS = 4096


def _round_shift(value: int, bits: int) -> int:
    """Drop `bits` fraction bits, half up."""
    return (value + (1 << (bits - 1))) >> bits


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
    """The table as C constants, for native/tables.h."""
    values = sine_q30()
    lines = ["/* Written by native/tables.py; not edited by hand. */", "#include <stdint.h>", ""]
    lines.append(f"static const int32_t SINE_Q30[{len(values)}] = {{")
    lines += [", ".join(map(str, values[i : i + 8])) + "," for i in range(0, len(values), 8)]
    return "\n".join([*lines, "};", ""])


if __name__ == "__main__":
    print(c_header())
