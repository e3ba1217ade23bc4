"""The compiled kernels contain no floating-point arithmetic: their instructions are looked at one by one."""

import platform
import re
import subprocess
from pathlib import Path

import pytest

from native import _native
from tests.native import builds

# What ends like a type of floating point is refused unless it only moves bits; so are conversions, fused products, x87
# and what AVX-512 and AMX have beside. Integer instructions of vectors begin with p, vp or tdpb.
X86 = re.compile(
    r"^(?!v?p(?!erm)|tdpb[su]|v?(mov|lddqu|and|or|xor|unpck|shuf|perm|blend|broadcast|insert|extract|compress|expand)).*"
    r"(ss|sd|ps|pd|sh|ph|bf16)$|^v?cvt|^vf|^f|^v?(u?comi|getexp|getmant|scalef|range|reduce|rndscale)|^tdp(bf|fp)"
)
ARM = re.compile(r"^f(?!mov$)|^[su]cvtf|^bf(cvt|dot|mmla|mlal)")
HOST = X86 if platform.machine() == "x86_64" else ARM
FLOATING = """
float sum(const float *x, int n) { float s = 0; for (int i = 0; i < n; i++) s += x[i] * x[i]; return s; }
double ratio(long a, long b) { return (double)a / (double)b; }
int whole(double x) { return (int)x; }
"""
INSTRUCTION = re.compile(r"^ +[0-9a-f]+:\t(?:(?:rep|repz|repnz|lock|notrack|bnd|data16|cs|ds|\{\w+\}) )*([\w.]+)")
FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")


def instructions(disassembler: str, binary: Path) -> dict[str, set[str]]:
    """Mnemonics of each function."""
    builds.required(disassembler)
    found: dict[str, set[str]] = {}
    for line in builds.run([disassembler, "-d", "--no-show-raw-insn", str(binary)]).splitlines():
        if function := FUNCTION.match(line):
            mnemonics = found.setdefault(function[1], set())
        elif instruction := INSTRUCTION.match(line):
            mnemonics.add(instruction[1])
    return found


def floating(found: dict[str, set[str]], refused: re.Pattern[str]) -> dict[str, list[str]]:
    named = {name: sorted(filter(refused.match, mnemonics)) for name, mnemonics in found.items()}
    return {name: mnemonics for name, mnemonics in named.items() if mnemonics}


MACHINES = {
    "gcc": (["gcc"], "objdump", HOST),
    "clang": (["clang"], "objdump", HOST),
    "aarch64 gcc": (["aarch64-linux-gnu-gcc"], "aarch64-linux-gnu-objdump", ARM),
    "aarch64 clang": (["clang", "--target=aarch64-linux-gnu"], "aarch64-linux-gnu-objdump", ARM),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_objects(tmp_path: Path, machine: str) -> None:
    compiler, disassembler, refused = MACHINES[machine]
    if "aarch64" in machine:
        builds.required("aarch64-linux-gnu-gcc")  # brings the C library and the disassembler, for clang too
    for object_file in builds.compile_objects(tmp_path, compiler, "-O3"):
        found = instructions(disassembler, object_file)
        assert not floating(found, refused), object_file.name


def test_the_built_extension() -> None:
    """But for cffi's own functions, which convert Python's numbers of every type."""
    found = instructions("objdump", Path(_native.__file__))
    kernels = {name: mnemonics for name, mnemonics in found.items() if not name.startswith(("_cffi_", "cffi_"))}
    assert {"rail_step", "rail_sample", "forward_chunk", "portable_weigh"} <= set(kernels)
    assert not floating(kernels, HOST)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("flags", [[], ["-O3", "-ffast-math"]], ids=["plain", "vectors"])
def test_floating_point_would_be_found(tmp_path: Path, machine: str, flags: list[str]) -> None:
    compiler, disassembler, refused = MACHINES[machine]
    builds.required(compiler[0])
    (tmp_path / "floating.c").write_text(FLOATING)
    for extra in ([], ["-mavx512f"], ["-mfpmath=387"]) if refused is X86 else ([],):
        if "-mfpmath=387" in extra and compiler[0] == "clang":
            continue
        target = tmp_path / "floating.o"
        subprocess.run([*compiler, *flags, *extra, "-c", tmp_path / "floating.c", "-o", target], check=True)
        assert set(floating(instructions(disassembler, target), refused)) == {"sum", "ratio", "whole"}


MOVES_X86 = """movaps vmovups movss vmovsd xorps vpmaxsd vpdpbusd tdpbsud shufps pminsd vpermilps vinserti128 vpmulhrsw
psadbw vbroadcastss unpcklpd cmovs vextractf128"""
ARITHMETIC_X86 = """addss vmulps vfmadd231ps cvtsi2sd vcvttps2dq fadd fld ucomisd vdivpd cmpltps sqrtsd roundss vdpps
haddps maxps vminsd rcpps vaddph tdpbf16ps vdpbf16ps"""
MOVES_ARM = "fmov bfi bfxil sdot sqrdmulh add movi"
ARITHMETIC_ARM = "fadd fmadd fcvtzs scvtf ucvtf fcmp fmul bfdot fmla"


def test_moves_and_integers_are_no_arithmetic_of_floating_point() -> None:
    assert not [name for name in MOVES_X86.split() if X86.match(name)]
    assert not [name for name in ARITHMETIC_X86.split() if not X86.match(name)]
    assert not [name for name in MOVES_ARM.split() if ARM.match(name)]
    assert not [name for name in ARITHMETIC_ARM.split() if not ARM.match(name)]
