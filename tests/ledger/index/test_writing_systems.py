"""Arabic, Hindi, Chinese, Japanese, Korean, Thai, and the noise of scanned pages: on made-up texts and on real ones."""

import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from index_samples import Source, check_spans, counted, prose, source_of

from ledger.index import ContentIndex

Indexed = Callable[[Source], ContentIndex]
ALPHABETS = {
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "hindi": ["क", "खा", "गि", "घु", "चे", "छो", "ज", "टी", "डू", "त", "दा", "ने", "पो", "फि", "बु", "मी", "या", "रा", "ल"],
    "korean": "가나다라마바사아자차카타파하거너더러머버서어저처고노도로모보소오조초구누두루무부수우주추",
    "russian": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "greek": "αβγδεζηθικλμνξοπρστυφχψω",
}
# Characters of one run that is found, alone and in the midst of another text: 16 words of weight. SPEC.md section 2.
EXCERPT_CHARS = 20
FOUND = ("exact", "excerpt", "edited")


def made_of(script: str, seed: int, count: int) -> str:
    rng = random.Random(seed)
    return " ".join("".join(rng.choices(ALPHABETS[script], k=rng.randint(2, 6))) for _ in range(count))


@pytest.mark.parametrize("script", ALPHABETS)
def test_excerpt_is_found_and_marked(indexed: Indexed, script: str) -> None:
    output = made_of(script, 1, 120)
    words = output.split(" ")
    excerpt = " ".join(words[40:60])
    source = source_of(made_of(script, 9, 120), output)
    index = indexed(source)
    bidirectional = excerpt.replace(" ", " \u202b", 3).replace(" ", "\u202c ", 2)
    for shown in (excerpt, unicodedata.normalize("NFD", excerpt), unicodedata.normalize("NFC", excerpt), bidirectional):
        text = f"{made_of(script, 2, 30)} {shown} {made_of(script, 3, 30)}"
        verdict = index.verify(text, source)
        check_spans(verdict, text, source)
        assert (verdict.verdict, [(span.record_id, span.words) for span in counted(verdict)]) == ("excerpt", [(1, 20)])
    assert index.verify(made_of(script, 4, 80), source).verdict == "none"


@pytest.mark.parametrize("script", ALPHABETS)
def test_a_tenth_of_the_words_edited_is_an_edited_copy(indexed: Indexed, script: str) -> None:
    output = made_of(script, 1, 120)
    words = output.split(" ")
    words[3::10] = made_of(script, 5, len(words[3::10])).split(" ")
    source = source_of(*(made_of(script, seed, 120) for seed in range(20, 32)), output)
    verdict = indexed(source).verify(" ".join(words), source)
    assert (verdict.verdict, verdict.records[0].record_id) == ("edited", 12)


def test_arabic_presentation_forms_are_letters(indexed: Indexed) -> None:
    """What a PDF gives for joined letters."""
    forms = {"ب": "ﺑ", "ت": "ﺗ", "ن": "ﻧ", "ل": "ﻟ", "م": "ﻣ", "ي": "ﻳ", "س": "ﺳ"}
    output = made_of("arabic", 1, 60)
    source = source_of(output)
    verdict = indexed(source).verify(output.translate(str.maketrans(forms)), source)
    assert (verdict.verdict, verdict.layer) == ("exact", "normalised")


def scanned(rng: random.Random, text: str, share: float) -> str:
    """As bad as a scan: confused letters, and words broken at line ends."""
    confused = {"rn": "m", "m": "rn", "l": "1", "I": "l", "e": "c", "o": "0", "h": "b", "cl": "d", "u": "ii", "t": "f"}
    parts: list[str] = []
    i = 0
    while i < len(text):
        pair = text[i : i + 2] if text[i : i + 2] in confused else text[i]
        parts.append(confused.get(pair, pair) if rng.random() < share else pair)
        i += len(pair)
    words = "".join(parts).split(" ")
    for i in range(5, len(words), 23):
        half = len(words[i]) // 2
        if half >= 2 and words[i].isalpha():
            words[i] = f"{words[i][:half]}-\n{words[i][half:]}"
    return " ".join(words)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.03])
def test_scanned_output_is_found(indexed: Indexed, share: float) -> None:
    source = source_of(*(prose(seed, 200) for seed in range(20)))
    index = indexed(source)
    rng = random.Random(3)
    for number in range(10):
        text = scanned(rng, source.records[number].output_text, share)
        verdict = index.verify(text, source)
        assert verdict.verdict in FOUND and verdict.records[0].record_id == number


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_scanned_pages_of_books_are_found(indexed: Indexed, shared_data: Path, share: float) -> None:
    words = (shared_data / "corpora" / "gutenberg_children_en.txt").read_text(encoding="utf-8")[:600_000].split()
    source = source_of(*(" ".join(words[start : start + 200]) for start in range(0, 40_000, 200)))
    index = indexed(source)
    rng = random.Random(4)
    right = 0
    for number in range(0, 200, 5):
        verdict = index.verify(scanned(rng, source.records[number].output_text, share), source)
        right += verdict.verdict in FOUND and verdict.records[0].record_id == number
    assert right == 40


@pytest.mark.parametrize("name", ["zh_xiyouji.txt", "ja_neko.txt"])
def test_twenty_characters_of_a_book_are_found(indexed: Indexed, shared_data: Path, name: str) -> None:
    """Alone, and in the midst of pages of the same book that are not registered."""
    book = "".join((shared_data / "corpora" / "other" / name).read_text(encoding="utf-8").split())[5_000:95_000]
    pages = [book[start : start + 300] for start in range(0, len(book), 300)]
    source = source_of(*pages[::2])
    index = indexed(source)
    rng = random.Random(6)
    alone = inside = total = 0
    for number in range(0, len(pages) // 2, 3):
        page = "".join(c for c in pages[2 * number] if c.isalnum() or c == "ー")
        start = rng.randrange(len(page) - EXCERPT_CHARS)
        excerpt = page[start : start + EXCERPT_CHARS]
        if len(excerpt) < EXCERPT_CHARS:
            continue
        frame = pages[rng.randrange(len(pages) // 2) * 2 + 1][:200]
        for text in (excerpt, f"{frame[:100]}。{excerpt}。{frame[100:]}"):
            verdict = index.verify(text, source)
            found = verdict.verdict == "excerpt" and verdict.records[0].record_id == number
            alone, inside = alone + (found and text == excerpt), inside + (found and text != excerpt)
        total += 1
    assert total >= 45
    assert min(alone, inside) >= total - 1
