"""How much of an output its prompt already contained."""

import pytest
from index_samples import made_up, prose

from ledger.errors import ParseError
from ledger.index import echo_permille


@pytest.mark.parametrize(
    ("prompt", "output", "permille"),
    [
        ("", "", 0),
        ("one two three four five", "", 0),
        ("", "one two three four five six", 0),
        ("one two three four five six", "one two three four five six", 1000),
        ("Say ONE, two \u2013 three\u2026 four, five!", "one two three four five", 1000),
        ("one two three four", "one two three four", 0),  # shorter than 5 words says nothing
        ("one two three four five six", "a one two three four five b c d e", 500),
        ("one two three four five", "one two three four five " * 3, 1000),
        ("zero one two three four five", "one two three four six one two three four five x", 454),
        ("混沌未分天地乱茫茫", "混沌未分天地乱，渺渺无人见。", 583),
    ],
)
def test_share_of_the_output(prompt: str, output: str, permille: int) -> None:
    assert echo_permille(prompt, output) == permille


def test_against_a_slow_count() -> None:
    words = made_up(1, 60)
    prompt_words = words[:20] + words[40:44]
    output_words = words[10:50]
    known = {tuple(words[i : i + 5]) for i in range(16)} | {
        tuple((words[:20] + words[40:44])[i : i + 5]) for i in range(20)
    }
    echoed = {i + k for i in range(36) if tuple(output_words[i : i + 5]) in known for k in range(5)}
    assert echo_permille(" ".join(prompt_words), " ".join(output_words)) == len(echoed) * 1000 // 40


def test_measured_on_the_first_20_000_words() -> None:
    prompt = prose(1, 300)
    assert echo_permille(prompt, " ".join(made_up(2, 19_900)) + " " + prompt) == 100 * 1000 // 20_000


@pytest.mark.parametrize(("prompt", "output"), [("\ud800", "a"), ("a", "\udfff")])
def test_lone_surrogates_are_refused(prompt: str, output: str) -> None:
    with pytest.raises(ParseError) as caught:
        echo_permille(prompt, output)
    assert caught.value.code == "text_surrogate"
