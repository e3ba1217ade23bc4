"""Writes the data files of `readable.py` from published tables; a maintainer runs it, nothing at run time does.

    python -m ledger.index.generate_tables confusables.json TSCharacters.txt

`confusables.json` is Unicode's confusables.txt (UTS 39) as the package confusable-homoglyphs 3.3.1 carries it,
`TSCharacters.txt` OpenCC's table of single characters as opencc-python-reimplemented 0.1.7 carries it (Apache-2.0).
"""

import json
import sys
import unicodedata
from pathlib import Path
from string import ascii_letters
from typing import Final

_FOLDER: Final = Path(__file__).parent
# Small letters that Unicode takes for small capitals, or not for Latin at all, and that disguises use all the same.
_MORE: Final = dict(zip("кκмтτнвпгηβ", "kkmtthbnrnb", strict=True))
_CONFUSABLES_HEAD: Final = """\
# Letters that look like a Latin one, from Unicode's confusables.txt (UTS 39; Unicode License v3), as carried by
# confusable-homoglyphs 3.3.1, and those of _MORE in generate_tables.py. One line a letter: the Latin letter, a tab,
# those that look like it.
"""
_VARIANTS_HEAD: Final = """\
# Traditional Chinese characters and the simplified one of each, from OpenCC's TSCharacters.txt (Apache-2.0), as
# carried by opencc-python-reimplemented 0.1.7. Two lines of the same length.
"""


def main(confusables: str, variants: str) -> None:
    known = json.loads(Path(confusables).read_text(encoding="utf-8"))
    pairs: dict[str, str] = {}
    for latin in ascii_letters:
        for like in (other["c"] for other in known.get(latin, ())):
            # What NFKC makes Latin needs no table; a letter like several ones is taken for the first.
            letter = len(like) == 1 and unicodedata.category(like)[0] == "L"
            if letter and not unicodedata.normalize("NFKC", like).isascii():
                pairs.setdefault(like, latin)
    for like, latin in _MORE.items():
        pairs.setdefault(like, latin)
    rows = [(latin, "".join(sorted(c for c in pairs if pairs[c] == latin))) for latin in ascii_letters]
    body = "".join(f"{latin}\t{likes}\n" for latin, likes in rows if likes)
    (_FOLDER / "confusables.tsv").write_text(_CONFUSABLES_HEAD + body, encoding="utf-8")

    simple: dict[str, str] = {}
    for line in Path(variants).read_text(encoding="utf-8").splitlines():
        traditional, _, choices = line.partition("\t")
        first = choices.split(" ")[0]
        if len(traditional) == len(first) == 1 and traditional != first:
            simple[traditional] = first
    body = f"{''.join(simple)}\n{''.join(simple.values())}\n"
    (_FOLDER / "chinese_variants.txt").write_text(_VARIANTS_HEAD + body, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
