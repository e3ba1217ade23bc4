"""Stop texts, the end of a run, and what is held back meanwhile."""

from hypothesis import given
from hypothesis import strategies as st
from small_vocabulary import byte_pair_vocabulary, sentencepiece_vocabulary

from inference.output import Output
from inference.sampling import SamplingParams
from inference.tokenizer import Tokenizer

TINY = Tokenizer(sentencepiece_vocabulary())
PROMPT = (TINY.bos_id,)


def run(ids: list[int], *stop: str, tokens_max: int = 1000) -> tuple[Output, list[str]]:
    """Push ids until the run ends; the run is cancelled if it does not."""
    output = Output(TINY, PROMPT, SamplingParams(stop=stop), tokens_max)
    deltas = []
    for id in ids:
        deltas.append(output.push(id))
        if output.finish_reason is not None:
            return output, deltas
    return output, [*deltas, output.cancel()]


def letters(text: str) -> list[int]:
    """One id a letter, so that stop texts cross the ids."""
    return [TINY.encode(char, bos=False)[0] for char in text]


def test_every_stop_id_ends_a_run_and_has_no_text() -> None:
    assert TINY.stop_ids == {TINY.eos_id, TINY.bos_id}
    for end in TINY.stop_ids:
        output, deltas = run([*letters("ab"), end, *letters("cd")])
        assert (output.finish_reason, output.tokens, output.data) == ("stop", 3, b"ab")
        assert deltas == ["a", "b", ""]


def test_bos_ends_no_run_unless_it_is_a_stop_id() -> None:
    tokenizer = Tokenizer(byte_pair_vocabulary())
    output = Output(tokenizer, (5,), SamplingParams(), 9)
    assert tokenizer.bos_id not in tokenizer.stop_ids
    assert output.push(tokenizer.bos_id) == ""
    assert output.finish_reason is None
    output.push(max(tokenizer.stop_ids))
    assert output.finish_reason == "stop"


def test_length_counts_every_id() -> None:
    output, _ = run(letters("abcdef"), tokens_max=4)
    assert (output.finish_reason, output.tokens, output.data) == ("length", 4, b"abcd")


def test_stop_text_is_cut_off_with_what_follows() -> None:
    output, deltas = run(letters("ab cd ef"), " cd")
    assert (output.finish_reason, output.data) == ("stop", b"ab")
    assert deltas == ["a", "b", "", "", ""]


def test_stop_text_inside_one_piece() -> None:
    (the,) = TINY.encode("the", bos=False)
    output, deltas = run([the], "h")
    assert (output.finish_reason, output.data, deltas) == ("stop", b"t", ["t"])


def test_first_of_several_stop_texts_wins() -> None:
    output, _ = run(TINY.encode("and", bos=False), "d", "nd", "zzz")
    assert output.data == b"a"


def test_false_alarm_is_released() -> None:
    output, deltas = run(letters("aab aac"), "aac", "b a")
    assert output.data == b"aa"
    output, deltas = run(letters("xaay"), "aab")
    assert deltas == ["x", "", "", "aay", ""]
    assert output.data == b"xaay"


def test_held_text_is_released_at_the_end() -> None:
    for end, reason in (([TINY.eos_id], "stop"), ([], "cancelled")):
        output, deltas = run([*letters("xa"), *end], "ab")
        assert (output.finish_reason, output.data) == (reason, b"xa")
        assert "".join(deltas) == "xa"


def test_stop_text_at_the_length_limit_is_a_stop() -> None:
    output, _ = run(letters("ab"), "b", tokens_max=2)
    assert (output.finish_reason, output.data) == ("stop", b"a")


def test_stop_text_of_several_bytes_a_character() -> None:
    output, deltas = run(TINY.encode("a你好b", bos=False), "好")
    assert (output.data, "".join(deltas)) == ("a你".encode(), "a你")


def test_space_after_bos_is_dropped() -> None:
    ids = TINY.encode("the and")[1:]
    assert run(ids)[0].data == b"the and"
    assert Output(TINY, (5,), SamplingParams(), 9).push(ids[0]) == " the"


@given(st.text(alphabet="ab ", max_size=30), st.lists(st.text(alphabet="ab ", min_size=1, max_size=4), max_size=4))
def test_output_is_the_text_before_the_first_stop_text(text: str, stops: list[str]) -> None:
    """One character an id: the stop text that is complete first ends the run, at its earliest place."""
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    expected = text
    if ends:
        first = min(end for end, _ in ends)
        expected = text[: min(start for end, start in ends if end == first)]
    output, deltas = run(letters("x" + text), *stops)
    assert output.data.decode() == "".join(deltas) == "x" + expected
