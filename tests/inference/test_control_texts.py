"""Control texts are found at their places, and broken up where they, or parts of them, stand in a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.control_texts import CHARACTERS_MAX, ControlTexts
from inference.errors import ChatTemplateError

IDS = {"<s>": 1, "</s>": 2, "<s><s>": 3, "[INST]": 4, "x": 5, "<|im_end|>": 6}
CONTROLS = ControlTexts(IDS)
texts = st.lists(st.sampled_from([*IDS, "<", "s", ">", "/", "[IN", "ST]", "|", "a", "<S>"])).map("".join)


@pytest.mark.parametrize(
    ("rendered", "parts"),
    [
        ("", [""]),
        ("abc", ["abc"]),
        ("<s>", ["", 1, ""]),
        ("a<s>b</s>", ["a", 1, "b", 2, ""]),
        ("<s><s><s>", ["", 3, "", 1, ""]),  # the longest first
        ("<s<s>>", ["<s", 1, ">"]),
        ("<S>x[inst]", ["<S>x[inst]"]),  # other letters, and a single character
    ],
)
def test_rendered_text_is_split_at_the_longest(rendered: str, parts: list[str | int]) -> None:
    assert CONTROLS.split(rendered) == parts


@given(before=texts, message=texts, after=texts)
def test_no_control_text_touches_a_broken_message(before: str, message: str, after: str) -> None:
    broken = CONTROLS.broken(message, "\ufdd0")
    assert broken.replace("\ufdd0", "") == message
    start = len(before)
    place = 0
    for part in CONTROLS.split(before + broken + after):
        size = len(part) if isinstance(part, str) else len(next(text for text, id in IDS.items() if id == part))
        inside = place < start + len(broken) and place + size > start
        assert isinstance(part, str) or not (inside and message)
        place += size


@given(texts)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert ControlTexts({}).broken(text, "\ufdd0") == text
    assert ControlTexts({}).split(text) == [text]


def test_too_many_control_texts_are_refused() -> None:
    with pytest.raises(ChatTemplateError):
        ControlTexts({f"<{number:05}>" * 20: number for number in range(CHARACTERS_MAX // 100)})
