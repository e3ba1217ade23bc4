"""The pages' style sheet, scripts and icons: read once, served under a path that names their content.

The path holds a digest of all files, so browsers may keep them for ever, and modules that import each other by
relative path always come from one version.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
DIGEST_CHARS = 16
_IMPORT = re.compile(rb'^import [^;]* from "\./([a-z]+\.js)";', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files of one version."""

    digest: str  # hex, first 16 characters of SHA-256 over names and contents
    files: Mapping[str, Asset]

    def url(self, name: str) -> str:
        """Path of a file; KeyError for one that does not exist, so that a template cannot name it."""
        if name not in self.files:
            raise KeyError(name)
        return f"/assets/{self.digest}/{name}"

    def modules(self, name: str) -> list[str]:
        """The modules that a script imports, directly or not, so that a page can ask for all at once."""
        found: list[str] = []
        waiting = [name]
        while waiting:
            for match in _IMPORT.finditer(self.files[waiting.pop()].body):
                module = match[1].decode("ascii")
                if module not in found:
                    found.append(module)
                    waiting.append(module)
        return sorted(found)


def load_assets(folder: Path = STATIC) -> Assets:
    """Every file of a known type in `folder`."""
    files = {
        path.name: Asset(path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in sorted(folder.iterdir())
        if path.suffix in MEDIA_TYPES
    }
    whole = sha256()
    for name, asset in files.items():
        whole.update(f"{name}\0{len(asset.body)}\0".encode() + asset.body)
    return Assets(whole.hexdigest()[:DIGEST_CHARS], files)
