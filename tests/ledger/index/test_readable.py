"""The reader's form: markup, hyphenation, look-alike letters, Chinese variants; and what must stay as it is."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from index_samples import Source, prose, source_of

from ledger.index import ContentIndex, fingerprint_root
from ledger.index.readable import readable
from ledger.index.text import Text

Indexed = Callable[[Source], ContentIndex]
Disguise = Callable[[random.Random, str], str]

CORPORA = Path(os.environ.get("RAIL_SHARED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")) / "corpora"
CYRILLIC = str.maketrans("aceopxyisjhdABCEHIKMOPTXSJ", "асеорхуіѕјһԁАВСЕНІКМОРТХЅЈ")
GREEK = str.maketrans("oOvABEHIKMNPTX", "οΟνΑΒΕΗΙΚΜΝΡΤΧ")


def _homoglyphs(table: dict[int, str], share: float) -> Disguise:
    return lambda rng, text: "".join(c.translate(table) if rng.random() < share else c for c in text)


def _hyphenated(rng: random.Random, text: str) -> str:
    words = text.split()
    return " ".join(f"{word[:2]}-\n{word[2:]}" if len(word) > 5 and rng.random() < 0.2 else word for word in words)


def _markdown(rng: random.Random, text: str) -> str:
    marks = ["{}", "**{}**", "*{}*", "`{}`", "[{}](https://example.org/a_b)", "~~{}~~"]
    return "# " + " ".join(rng.choice(marks).format(word) for word in text.split()).replace(". ", ".\n\n> ")


def _html(rng: random.Random, text: str) -> str:
    tags = ["{}", "<b>{}</b>", '<span class="x y">{}</span>', "<em>{}</em>", "<!-- {0} -->{0}"]
    words = [rng.choice(tags).format(word) for word in text.replace("'", "&#39;").split()]
    return "<p>" + "&nbsp;".join(words).replace(".&nbsp;", ".</p>\n<p>") + "</p>"


DISGUISES: dict[str, Disguise] = {
    "Cyrillic homoglyphs 25 %": _homoglyphs(CYRILLIC, 0.25),
    "Cyrillic homoglyphs 50 %": _homoglyphs(CYRILLIC, 0.5),
    "Greek homoglyphs 25 %": _homoglyphs(GREEK, 0.25),
    "both": lambda rng, text: _homoglyphs(GREEK, 0.2)(rng, _homoglyphs(CYRILLIC, 0.2)(rng, text)),
    "line-break hyphenation": _hyphenated,
    "Markdown": _markdown,
    "HTML": _html,
}


@pytest.mark.parametrize("name", DISGUISES)
def test_disguised_text_is_found_whole(indexed: Indexed, name: str) -> None:
    source = source_of(*(prose(number, 200) for number in range(5)))
    index = indexed(source)
    for number in range(5):
        text = DISGUISES[name](random.Random(number), source.records[number].output_text)
        verdict = index.verify(text, source)
        assert (verdict.verdict, verdict.layer, verdict.matched_permille) == ("exact", "folded", 1000)


@pytest.mark.parametrize("name", DISGUISES)
def test_disguised_excerpt_is_marked_where_it_stands(indexed: Indexed, name: str) -> None:
    source = source_of(prose(1, 200))
    excerpt = DISGUISES[name](random.Random(2), " ".join(source.records[0].output_text.split()[40:70]))
    before, after = prose(2, 20) + "\n\n", "\n\n" + prose(3, 20)
    verdict = indexed(source).verify(before + excerpt + after, source)
    assert verdict.verdict == "excerpt"
    (span,) = verdict.spans
    assert span.words == 30
    assert len(before) <= span.start <= len(before) + 40
    assert len(before + excerpt) - 40 <= span.end <= len(before + excerpt)


def test_simplified_and_traditional_chinese_find_each_other(indexed: Indexed) -> None:
    traditional = (
        "這個國家的歷史學習環境對於學生來說非常重要，因為許多書籍與資料都是從圖書館開始發展的，學者們認為如此。"
    )
    simplified = (
        "这个国家的历史学习环境对于学生来说非常重要，因为许多书籍与资料都是从图书馆开始发展的，学者们认为如此。"
    )
    for record, pasted in ((traditional, simplified), (simplified, traditional)):
        source = source_of(record)
        index = indexed(source)
        verdict = index.verify(pasted, source)
        assert (verdict.verdict, verdict.layer) == ("exact", "folded")
        verdict = index.verify(pasted[10:35], source)
        assert (verdict.verdict, verdict.spans[0].start, verdict.spans[0].record_start) == ("excerpt", 0, 10)


@pytest.mark.parametrize(
    "text",
    [
        "Мама мыла раму, а папа читал газету. Все хорошо, сказал он.",
        "Η γλώσσα είναι ωραία και ο ουρανός ανοιχτός.",
        "The Russian word сор means litter; она сказала нет.",
        "Ελληνικά and English, с разбором, as neighbours.",
        "a < b and c > d, 2 - 3 = -1; well-known e-mail AT&T R&D; x[1](y",
        "plain ASCII prose, with nothing to fold.",
    ],
)
def test_real_text_stays_as_it_is(text: str) -> None:
    assert readable(text) == (text, None) or readable(text)[0] == text


def test_real_russian_book_stays_as_it_is() -> None:
    path = CORPORA / "other/ru_tinystories.txt"
    if not path.exists():
        pytest.skip(f"no corpora at {CORPORA} (set RAIL_SHARED_DATA)")
    text = path.read_text(encoding="utf-8")[:300_000].replace("<|endoftext|>", "").replace("*", "")
    form = readable(text)[0]
    kept = sum(c.isalpha() and not c.isascii() for c in form) / sum(c.isalpha() and not c.isascii() for c in text)
    assert kept > 0.9999


def test_offsets_lead_back() -> None:
    text = "x <b>bold</b> &amp; **[link](http://e.org)** exam-\nple <p>end"
    form, offsets = readable(text)
    assert form == "x bold & link example  end" and offsets is not None
    for word, original in (("bold", "bold"), ("&", "&amp;"), ("link", "link"), ("end", "end")):
        start = form.index(word)
        first, last = offsets.source(start, start + len(word))
        assert text[first:last] == original
    start = form.index("example")
    first, last = offsets.source(start, start + 7)
    assert text[first:last] == "exam-\nple"


def test_signed_roots_are_of_the_text_as_it_is() -> None:
    """A statement's fingerprint root must not depend on this form: those of older versions stay valid."""
    text = "<b>" + prose(1, 30) + "</b> 這個國家的歷史學習環境對於學生"
    written = Text(text, as_written=True)
    assert written.normal == written.plain != Text(text).normal
    assert fingerprint_root(text, bytes(32)) != fingerprint_root(Text(text).normal, bytes(32))


@pytest.mark.parametrize(
    "piece",
    ["<", "<b", "<!--", "&", "&#", "[", "[a](", "![", "*", "`", "-\n", "а", "аa", "1. ", "> ", "\n#", "а a", "\u0301"],
)
def test_repetition_takes_linear_time(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    started = time.perf_counter()
    readable(text)
    assert time.perf_counter() - started < 5


def test_numbered_list_without_its_line_breaks_is_one_excerpt(indexed: Indexed) -> None:
    record = "Steps:\n" + "\n".join(f"{i}. {prose(i, 8)}" for i in range(1, 9))
    source = source_of(record)
    flat = " ".join(record.split()[10:60])
    verdict = indexed(source).verify(flat, source)
    assert (verdict.verdict, verdict.matched_permille, len(verdict.spans)) == ("excerpt", 1000, 1)
