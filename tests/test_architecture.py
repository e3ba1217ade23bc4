"""Rules of taste that a machine can hold: who imports whom, and where floating point may be."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("native", "inference", "ledger", "web")

ALLOWED = {
    "native": set(),
    "inference": {"native"},
    "ledger": set(),
    "web": {"native", "inference", "ledger"},
}

FLOAT_FOLDERS = ("inference/convert/", "inference/training/")
"""Floats become integers here, before a model file exists."""

FLOAT_CALLS = {"float", "exp", "log", "log2", "sqrt", "sin", "cos", "pow"}
FLOAT_TYPES = {"float16", "float32", "float64", "longdouble", "floating"}
C_FLOAT = re.compile(r"\b(float|double|__m\d+d?|_mm\d*_\w*_p[sd])\b|\d\.\d|\bmath\.h\b")


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (REPOSITORY / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            found.add(str(node.module).split(".")[0])
    return found & set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package):
    for path in sources(package):
        outside = imported_packages(path) - {package}
        assert outside <= ALLOWED[package], f"{name_of(path)} imports {outside - ALLOWED[package]}"


def test_pointers_stay_beside_their_c():
    for path in sources("inference", "ledger", "web"):
        if name_of(path).startswith("ledger/compiled/"):
            continue
        assert "ffi" not in {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}, path


def floats_in(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and description of every float literal, true division, float type and transcendental call."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            found.append((node.lineno, f"literal {node.value}"))
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append((node.lineno, "true division"))
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in FLOAT_CALLS:
                found.append((node.lineno, f"call of {name}"))
        elif isinstance(node, ast.Attribute) and node.attr in FLOAT_TYPES:
            found.append((node.lineno, node.attr))
    return found


def joins_paths(path: Path, line: int) -> bool:
    """Whether the `/` on a line is pathlib's: the file imports Path, and the line names a file, folder or Path."""
    text = path.read_text()
    return "from pathlib import" in text and bool(re.search(r"/ *f?[\"']|\bPath\b", text.splitlines()[line - 1]))


def test_no_floating_point_between_token_ids_and_token_id():
    for path in sources("native", "inference"):
        if name_of(path).startswith(FLOAT_FOLDERS):
            continue
        found = floats_in(ast.parse(path.read_text()))
        bad = [(line, what) for line, what in found if what != "true division" or not joins_paths(path, line)]
        assert not bad, f"{name_of(path)}: {bad}"


def test_no_floating_point_in_c():
    for path in sorted((REPOSITORY / "native").glob("*.[ch]")):
        if path.name == "_native.c":
            continue
        code = re.sub(r'/\*.*?\*/|//[^\n]*|"[^"\n]*"', "", path.read_text(), flags=re.S)
        assert not C_FLOAT.search(code), f"{path.name}: {C_FLOAT.search(code)}"


@pytest.mark.parametrize(
    "code",
    [
        "x = 1.5",
        "x = a / b",
        "x /= 2",
        "x = float(y)",
        "x = math.exp(y)",
        "x = np.float32",
        "x = np.zeros(3, np.float64)",
    ],
)
def test_the_float_check_can_fail(code):
    assert floats_in(ast.parse(code))


@pytest.mark.parametrize("code", ["float x;", "double f(void);", "int x = 1.5;", "__m256 v;", "_mm256_add_ps(a, b)"])
def test_the_c_float_check_can_fail(code):
    assert C_FLOAT.search(code)


def test_no_top_level_folder_was_added():
    allowed = {"ledger", "inference", "native", "web", "tests", ".ci"}
    generated = {".git", ".venv", "build", "artifacts", "var", "__pycache__"}
    folders = {p.name for p in REPOSITORY.iterdir() if p.is_dir()} - generated
    assert {f for f in folders if not re.fullmatch(r"\.\w+_cache|\.hypothesis|.*\.egg-info", f)} == allowed
