"""From chat messages to a prompt.

A model file may carry a chat template (Jinja, as in tokenizer_config.json). A model without one never saw role
names, so it gets none: the contents, in order, one per line, and it goes on from there (rendering "plain/1").
"""

import re
from collections.abc import Sequence
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inference.tokenizer import Tokenizer
from web.errors import RequestError
from web.openai_schemas import ChatMessage

PROMPT_CHARS_MAX = 1 << 20
# Stand for the control tokens inside a rendered template. Private-use characters: no message may contain them.
_BOS, _EOS = "\ue0b0\ue0b1", "\ue0b0\ue0b2"
_MARK = re.compile(f"({_BOS}|{_EOS})")


def render_chat(messages: Sequence[ChatMessage], template: str | None, tokenizer: Tokenizer) -> str | tuple[int, ...]:
    """The prompt of a chat: a text, or with a template its token ids, where only the template makes control tokens.

    Raises RequestError (`invalid_value`, `chat_template_failed`).
    """
    turns = [{"role": message.role, "content": text_of(message)} for message in messages]
    if template is None:
        return "\n".join(turn["content"] for turn in turns)
    if any("\ue0b0" in turn["content"] for turn in turns):
        raise RequestError("invalid_value", "messages must not contain the character U+E0B0", 400, "messages")
    try:
        rendered = (
            _environment()
            .from_string(template)
            .render(messages=turns, add_generation_prompt=True, bos_token=_BOS, eos_token=_EOS)
        )
    except (TemplateError, TypeError, ValueError, OverflowError) as error:
        raise RequestError(
            "chat_template_failed", f"the model's chat template refuses these messages: {error}", 400, "messages"
        ) from None
    if len(rendered) > PROMPT_CHARS_MAX:
        raise RequestError("context_length_exceeded", "the rendered chat is too long", 400, "messages")
    return _encode(rendered, tokenizer)


def text_of(message: ChatMessage) -> str:
    """The text of a message; parts are joined without anything between them."""
    if isinstance(message.content, str):
        return message.content
    return "".join(part.text for part in message.content)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    return environment


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _encode(rendered: str, tokenizer: Tokenizer) -> tuple[int, ...]:
    """Token ids of a rendered template; it begins with exactly one BOS, written or not."""
    ids: list[int] = []
    for part in _MARK.split(rendered.removeprefix(_BOS)):
        if part == _EOS:
            ids.append(tokenizer.eos_id)
        elif part == _BOS:
            ids.append(tokenizer.bos_id)
        elif part or not ids:
            ids += tokenizer.encode(part, bos=not ids)
    return tuple(ids)
