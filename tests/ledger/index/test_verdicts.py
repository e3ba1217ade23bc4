"""Verdicts on pasted texts: layers, offsets, thresholds, prompt echo, several records."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_samples import Record, Source, check_spans, counted, made_up, maximal_runs, prose, source_of

from ledger.index import ContentIndex, Verdict

Indexed = Callable[[Source], ContentIndex]
SHARED_FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def verify(indexed: Indexed, source: Source, text: str) -> Verdict:
    verdict = indexed(source).verify(text, source)
    check_spans(verdict, text, source)
    return verdict


def test_whole_output_is_exact_byte_for_byte(indexed: Indexed) -> None:
    output = "  " + prose(1, 60) + "\n"
    source = source_of(prose(2, 60), output)
    verdict = verify(indexed, source, output)
    assert (verdict.verdict, verdict.layer, verdict.matched_permille) == ("exact", "raw", 1000)
    assert [(span.record_id, span.start, span.end, span.words) for span in verdict.spans] == [(1, 0, len(output), 60)]
    assert [record.record_id for record in verdict.records] == [1]
    assert verdict.longest_run_words == verdict.text_words == 60
    assert (verdict.checked_chars, verdict.truncated, verdict.indexed_through) == (len(output), False, 1)


def test_reformatted_output_is_exact_after_normalisation(indexed: Indexed) -> None:
    output = 'She said: "Don\'t go - wait..." and looked at the bright, bright moon over the river.'
    text = "She\u00a0said:\r\n \u201cDon\u2019t  go \u2014 wait\u2026\u201d and\u200b look\u00aded at the "
    text += "bright, bright moon over the RIVER. "
    verdict = verify(indexed, source_of(output), text)
    assert (verdict.verdict, verdict.layer, verdict.matched_permille) == ("exact", "normalised", 1000)
    (span,) = verdict.spans
    assert (span.start, span.end, span.record_start, span.record_end) == (0, len(text), 0, len(output))


def test_excerpt_of_25_words_in_a_paragraph(indexed: Indexed) -> None:
    output = prose(1, 240)
    words = output.split(" ")
    excerpt = " ".join(words[100:125])
    text = f"\U0001f600 {prose(2, 30)} {excerpt} {prose(3, 40)}"
    verdict = verify(indexed, source_of(prose(4, 240), output), text)
    (span,) = verdict.spans
    assert (verdict.verdict, verdict.layer) == ("excerpt", "excerpt")
    assert text[span.start : span.end] == excerpt
    assert span.start_utf16 == span.start + 1
    assert output[span.record_start : span.record_end] == excerpt
    assert (span.record_id, span.words, verdict.longest_run_words) == (1, 25, 25)
    assert verdict.matched_permille == 25 * 1000 // 95


@pytest.mark.parametrize("outer", ["", '"', "(", "-"])
def test_span_takes_the_punctuation_that_both_texts_have(indexed: Indexed, outer: str) -> None:
    run = " ".join(made_up(1, 20))
    output = f'{prose(2, 20)} "{run}." {prose(3, 20)}'
    text = f'{prose(4, 20)} {outer}{run}." {prose(5, 20)}'
    (span,) = verify(indexed, source_of(output), text).spans
    wanted = f'{outer if outer == chr(34) else ""}{run}."'
    assert text[span.start : span.end] == wanted


def test_unrelated_text_is_none(indexed: Indexed) -> None:
    verdict = verify(indexed, source_of(prose(1, 240), prose(2, 240)), prose(3, 100))
    assert (verdict.verdict, verdict.layer, verdict.spans, verdict.records) == ("none", None, (), ())
    assert (verdict.reason_code, verdict.matched_permille, verdict.longest_run_words) == (None, 0, 0)
    assert verdict.indexed_through == 1


def test_empty_index_says_none(indexed: Indexed) -> None:
    verdict = verify(indexed, Source(), prose(1, 20))
    assert (verdict.verdict, verdict.indexed_through) == ("none", -1)


# Thresholds


@pytest.mark.parametrize(
    ("around", "run", "expected"),
    [(60, 15, "none"), (60, 16, "excerpt"), (4, 14, "none"), (1, 14, "excerpt"), (0, 8, "excerpt"), (1, 8, "none")],
)
def test_evidence_is_16_telling_words_or_nearly_all_of_a_short_text(
    indexed: Indexed, around: int, run: int, expected: str
) -> None:
    """`around` words stand around a run of `run` words."""
    shared = " ".join(made_up(1, run))
    source = source_of(f"{prose(2, 50)} {shared} {prose(3, 50)}")
    frame = made_up(4, around)
    text = " ".join([*frame[: around // 2], shared, *frame[around // 2 :]])
    assert verify(indexed, source, text).verdict == expected


def test_a_run_in_a_text_that_is_like_the_record_around_it_needs_48_words(indexed: Indexed) -> None:
    """Answers to one prompt have formulas in common, and the words around them too."""
    formula = made_up(1, 48)
    around = made_up(2, 120)
    output = [*around[:60], *formula, *around[60:]]
    found = {}
    for size in (24, 47, 48):
        other = sorted(around[:60], reverse=True) + formula[:size] + sorted(around[60:], reverse=True)
        found[size] = verify(indexed, source_of(" ".join(output)), " ".join(other)).layer
    assert (found[24] != "excerpt", found[47] != "excerpt", found[48]) == (True, True, "excerpt")
    foreign = " ".join([*made_up(3, 60), *formula[:24], *made_up(4, 60)])
    assert verify(indexed, source_of(" ".join(output)), foreign).layer == "excerpt"


def test_a_long_record_is_compared_around_the_run_only(indexed: Indexed) -> None:
    """That a book has the words of a text somewhere does not make the text like it."""
    book, frame = made_up(1, 3000), made_up(2, 60)
    output = " ".join([*book[:1500], *frame, *book[1500:]])
    text = " ".join([*sorted(frame[:30]), *book[100:124], *sorted(frame[30:])])
    assert verify(indexed, source_of(output), text).layer == "excerpt"


def test_runs_of_8_words_count_beside_evidence(indexed: Indexed) -> None:
    words = made_up(1, 100)
    parts = [words[10:26], words[40:48], words[60:67]]
    text = " ".join(" ".join(part) + " " + prose(10 + i, 20) for i, part in enumerate(parts))
    verdict = verify(indexed, source_of(" ".join(words)), text)
    assert [span.words for span in verdict.spans] == [16, 8]


@pytest.mark.parametrize(("count", "code"), [(1, "too_short"), (7, "too_short"), (8, None)])
def test_short_texts_are_refused_even_if_exact(indexed: Indexed, count: int, code: str | None) -> None:
    text = " ".join(made_up(1, count))
    verdict = verify(indexed, source_of(text), text)
    assert verdict.reason_code == code
    assert verdict.verdict == ("exact" if code is None else "unchecked")


@pytest.mark.parametrize(("count", "verdict"), [(9, "unchecked"), (10, "exact")])
def test_short_limit_in_chinese(indexed: Indexed, count: int, verdict: str) -> None:
    text = "混沌未分天地乱茫茫渺渺无人见"[:count]
    assert verify(indexed, source_of(text), text).verdict == verdict


# Chinese, Japanese, Thai, mixed


@pytest.mark.parametrize(
    ("output", "excerpt"),
    [
        (
            "盖闻天地之数有十二万九千六百岁为一元。将一元分为十二会，乃子丑寅卯辰巳午未申酉戌亥之十二支也。每会该一万八百岁。",
            "将一元分为十二会，乃子丑寅卯辰巳午未申酉戌亥",
        ),
        (
            "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。",
            "どこで生れたかとんと見当がつかぬ。何でも薄暗い",
        ),
        (
            "我们用 Python 写了一个很小的语言模型，它在 TinyStories 上训练，然后把每一次输出都记进公开的日志里。",
            "Python 写了一个很小的语言模型，它在 TinyStories 上训练，然后",
        ),
        (
            "กาลครั้งหนึ่งนานมาแล้วมีเด็กหญิงตัวเล็กคนหนึ่งอาศัยอยู่ในหมู่บ้านริมแม่น้ำใหญ่กับยายของเธอและแมวสีดำสามตัวที่ชอบนอนกลางวัน"
            "วันหนึ่งฝนตกหนักจนน้ำท่วมถนนทุกสาย",
            "หญิงตัวเล็กคนหนึ่งอาศัยอยู่ในหมู่บ้านริมแม่น้ำใหญ่กับยายของเธอและแมวสีดำสามตัวที่ชอบนอนกลางวันวันหนึ่งฝนตกหนัก",
        ),
        (
            "어느 날 작은 마을에 사는 소녀가 숲에서 노래하는 새를 만났습니다 그 새는 매일 아침 창가에 "
            "와서 소녀에게 먼 나라의 이야기를 들려주었고 소녀는 귀를 기울였습니다",
            "소녀가 숲에서 노래하는 새를 만났습니다 그 새는 매일 아침 창가에 "
            "와서 소녀에게 먼 나라의 이야기를 들려주었고",
        ),
    ],
    ids=["zh", "ja", "mixed", "th", "ko"],
)
def test_excerpt_in_other_scripts(indexed: Indexed, output: str, excerpt: str) -> None:
    text = f"{prose(1, 20)} {excerpt} {prose(2, 20)}"
    verdict = verify(indexed, source_of(output, prose(3, 100)), text)
    (span,) = verdict.spans
    assert verdict.verdict == "excerpt"
    assert text[span.start : span.end] == excerpt
    assert output[span.record_start : span.record_end] == excerpt


def test_chinese_book(indexed: Indexed, shared_data: Path) -> None:
    """An excerpt of 35 characters, some of them punctuation, inside another chapter; and chapters not there."""
    book = (shared_data / "corpora" / "other" / "zh_xiyouji.txt").read_text(encoding="utf-8")
    chapters = [book[start : start + 400] for start in range(20_000, 60_000, 400)]
    source = source_of(*chapters[::2])
    index = indexed(source)
    for number, chapter in enumerate(chapters[::2]):
        text = chapters[1][:100] + chapter[200:235] + chapters[1][100:200]
        verdict = index.verify(text, source)
        check_spans(verdict, text, source)
        assert verdict.verdict == "excerpt"
        (span,) = verdict.spans
        assert (span.record_id, span.words >= 16, span.start >= 97, span.end <= 138) == (number, True, True, True)
    others = [index.verify(chapter, source) for chapter in chapters[1::2]]
    found = [verdict.longest_run_words for verdict in others if verdict.verdict != "none"]
    assert found == [26]  # the book describes Chang'an twice in the same words


# What prompts contained


def test_prompt_text_is_subtracted(indexed: Indexed) -> None:
    echo, own = prose(1, 30), prose(2, 40)
    source = Source({3: Record(f"{own} {echo}", prompt_text=f"Please repeat: {echo}")})
    text = f"{prose(3, 30)} {own} {echo}"
    verdict = verify(indexed, source, text)
    assert [(span.subtracted, span.words) for span in verdict.spans] == [(None, 40), ("prompt", 30)]
    assert text[verdict.spans[0].start : verdict.spans[0].end] == own
    assert verdict.verdict == "excerpt"
    assert verdict.matched_permille == 400
    assert verdict.records[0].echo_permille == 30 * 1000 // 70


def test_nothing_but_echo_is_none(indexed: Indexed) -> None:
    echo = prose(1, 30)
    source = Source({0: Record(f"Sure! {echo} Done.", prompt_text=f"Repeat this. {echo}")})
    verdict = verify(indexed, source, f"{echo} {prose(2, 20)}")
    assert verdict.verdict == "none"
    assert [span.subtracted for span in verdict.spans] == ["prompt"]
    assert [(record.record_id, record.matched_permille) for record in verdict.records] == [(0, 0)]


def test_an_output_that_only_repeats_its_prompt_is_none(indexed: Indexed) -> None:
    text = prose(1, 30)
    source = Source({0: Record(text, prompt_text=f"Say: {text}"), 1: Record(prose(2, 30))})
    verdict = verify(indexed, source, text)
    assert (verdict.verdict, verdict.layer, verdict.matched_permille) == ("none", None, 0)
    assert [span.subtracted for span in verdict.spans] == ["prompt"]
    assert verdict.records[0].echo_permille == 1000


def test_echo_of_one_record_counts_for_another(indexed: Indexed) -> None:
    """Making a model repeat a text does not take it from the record that wrote it."""
    text = prose(1, 30)
    source = Source({0: Record(f"Well, {text}", prompt_text=text), 1: Record(f"{text} {prose(2, 10)}")})
    verdict = verify(indexed, source, f"{prose(3, 9)} {text}")
    assert verdict.verdict == "excerpt"
    assert [span.record_id for span in counted(verdict)] == [1]


# Several records


def test_two_records_in_one_text(indexed: Indexed) -> None:
    first, second = prose(1, 60), prose(2, 60)
    parts = [" ".join(first.split()[5:30]), " ".join(second.split()[20:50])]
    text = f"{prose(3, 10)} {parts[0]} {prose(4, 10)} {parts[1]}"
    verdict = verify(indexed, source_of(first, second), text)
    assert [(span.record_id, span.words) for span in verdict.spans] == [(0, 25), (1, 30)]
    assert [(record.record_id, record.longest_run_words) for record in verdict.records] == [(1, 30), (0, 25)]
    assert verdict.matched_permille == 55 * 1000 // 75


def test_overlap_goes_to_the_longer_run(indexed: Indexed) -> None:
    words = made_up(1, 60)
    source = source_of(" ".join(words[:30]) + " x", " ".join(words[20:60]) + " y")
    verdict = verify(indexed, source, " ".join(words))
    assert [(span.record_id, span.words) for span in verdict.spans] == [(0, 20), (1, 40)]
    assert {record.record_id: record.matched_permille for record in verdict.records} == {0: 500, 1: 666}
    assert verdict.matched_permille == 1000


def test_same_text_twice_names_the_earliest_first(indexed: Indexed) -> None:
    output = prose(1, 60)
    source = source_of(prose(2, 60), output, prose(3, 60), output)
    verdict = verify(indexed, source, output)
    assert [record.record_id for record in verdict.records] == [1, 3]
    assert [span.record_id for span in verdict.spans] == [1]
    excerpt = " ".join(output.split()[10:40])
    verdict = verify(indexed, source, excerpt)
    assert [record.record_id for record in verdict.records] == [1, 3]
    assert [span.record_id for span in verdict.spans] == [1]


def test_excerpt_repeated_in_the_text_is_found_twice(indexed: Indexed) -> None:
    output = prose(1, 60)
    excerpt = " ".join(output.split()[10:30])
    verdict = verify(indexed, source_of(output), f"{excerpt} {prose(2, 20)} {excerpt}")
    assert [span.words for span in verdict.spans] == [20, 20]


def test_text_in_very_many_records_is_found(indexed: Indexed) -> None:
    """More records than postings are read for a hash: the earliest are named."""
    output = prose(1, 60)
    source = source_of(*[output] * 100)
    excerpt = " ".join(output.split()[10:40])
    assert [record.record_id for record in verify(indexed, source, excerpt).records] == list(range(8))
    assert [record.record_id for record in verify(indexed, source, output).records] == list(range(16))


def test_mixed_document_of_many_records(indexed: Indexed) -> None:
    outputs = [prose(number, 80) for number in range(40)]
    excerpts = [" ".join(output.split()[30:50]) for output in outputs]
    text = " ".join(f"{prose(100 + i, 10)} {excerpt}" for i, excerpt in enumerate(excerpts))
    verdict = verify(indexed, source_of(*outputs), text)
    assert [text[span.start : span.end] for span in verdict.spans] == excerpts
    assert [span.record_id for span in verdict.spans] == list(range(40))
    assert not verdict.search_capped


def test_more_records_than_are_compared_is_said(indexed: Indexed) -> None:
    outputs = [prose(number, 80) for number in range(60)]
    text = " ".join(" ".join(output.split()[30:50]) for output in outputs)
    verdict = verify(indexed, source_of(*outputs), text)
    assert verdict.search_capped
    assert len(verdict.records) == 48


def test_nothing_found_among_a_part_of_the_candidates_is_no_answer(indexed: Indexed) -> None:
    """Records with slices of a text, too short to be evidence, must not turn its record into a `none`."""
    target = prose(1, 120).split()
    slices = [f"{prose(100 + i, 40)} {' '.join(target[i % 60 : i % 60 + 13])} {prose(300 + i, 40)}" for i in range(150)]
    source = source_of(*slices, " ".join(target))
    excerpt = " ".join(target[5:65])
    verdict = verify(indexed, source, excerpt)
    assert verdict.verdict != "none"
    assert verdict.verdict == "excerpt" or verdict.reason_code == "search_capped"


def test_what_many_registrants_hold_is_marked(indexed: Indexed) -> None:
    """A short phrase of theirs does not count; a longer passage does, and is marked, as a whole text is."""
    famous = made_up(1, 60)
    for holders, common_to in ((7, None), (8, "registrants")):
        source = Source({i: Record(" ".join(famous), registrant=i) for i in range(holders)})
        source.records |= {holders + i: Record(" ".join(famous), registrant=0) for i in range(8)}
        for words in (famous, famous[5:45]):
            verdict = verify(indexed, source, " ".join(words))
            assert [(span.subtracted, span.common_to) for span in verdict.spans] == [(None, common_to)]
        short = verify(indexed, source, f"{prose(2, 30)} {' '.join(famous[5:30])} {prose(3, 30)}")
        assert [(span.subtracted, span.common_to) for span in short.spans] == [
            ("common" if common_to else None, common_to)
        ]
        assert short.verdict == ("none" if common_to else "excerpt")


# Visibility


def test_private_records_are_never_found(indexed: Indexed) -> None:
    outputs = [prose(number, 60) for number in range(3)]
    visibilities = ["public", "matchable", "private"]
    source = Source(
        {i: Record(text, visibility=v) for i, (text, v) in enumerate(zip(outputs, visibilities, strict=True))}
    )
    index = indexed(source)
    assert [index.verify(text, source).verdict for text in outputs] == ["exact", "exact", "none"]
    assert index.verify(outputs[0], source).indexed_through == 2


def test_json_has_plain_values(indexed: Indexed) -> None:
    output = prose(1, 60)
    source = source_of(output)
    body = verify(indexed, source, output).to_json()
    assert body["rules"] == "rail-match/2"
    assert body["spans"] == [
        {
            "record_id": 0,
            "start": 0,
            "end": len(output),
            "start_utf16": 0,
            "end_utf16": len(output),
            "record_start": 0,
            "record_end": len(output),
            "words": 60,
            "subtracted": None,
            "common_to": None,
        }
    ]
    assert body["records"] == [
        {
            "record_id": 0,
            "layer": "raw",
            "matched_permille": 1000,
            "longest_run_words": 60,
            "echo_permille": 0,
            "resemblance": None,
        }
    ]


# Against a slow oracle: texts of few words, so that runs overlap, repeat and nest.

FEW_WORDS = st.lists(st.sampled_from(["aba", "bob", "cec", "did"]), min_size=8, max_size=60)


@SHARED_FIXTURE
@given(FEW_WORDS, FEW_WORDS)
def test_excerpts_are_those_of_brute_force(indexed: Indexed, ours: list[str], theirs: list[str]) -> None:
    text = " ".join(ours)
    source = source_of(" ".join(theirs))
    verdict = verify(indexed, source, text)
    runs = [(start, end) for start, end in maximal_runs(ours, theirs) if end - start >= 8]
    longest = max((end - start for start, end in runs), default=0)
    enough = min(48, max(8, len(ours) * 0.9))  # four different words never tell enough for less
    if ours == theirs:
        assert verdict.verdict == "exact"
    elif longest < enough:
        assert verdict.verdict == "none"
    else:
        assert (verdict.verdict, verdict.longest_run_words) == ("excerpt", longest)
        covered = {i for start, end in runs for i in range(start, end)}
        assert verdict.matched_permille == len(covered) * 1000 // len(ours)
        places = [i // 4 for span in verdict.spans for i in range(span.start, span.end, 4)]
        assert sorted(places) == sorted(covered)
