"""From chat messages to a prompt.

A model without a chat template never saw role names, so it gets none: the contents, in order, one per line, and it
goes on from there (rendering "plain/1").
"""

from collections.abc import Sequence
from functools import lru_cache

from inference.chat_template import ChatTemplate
from inference.errors import ChatTemplateError, TokenizerError
from inference.tokenizer import Tokenizer
from web.errors import RequestError
from web.openai_schemas import ChatMessage


def render_chat(messages: Sequence[ChatMessage], template: str | None, tokenizer: Tokenizer) -> str | tuple[int, ...]:
    """The prompt of a chat: a text, or with a template its token ids, where only the template makes control tokens.

    Raises RequestError (`chat_template_failed`, `context_length_exceeded`, `not_unicode`).
    """
    turns = [{"role": message.role, "content": text_of(message)} for message in messages]
    if template is None:
        return "\n".join(turn["content"] for turn in turns)
    try:
        return _compiled(template, tokenizer).prompt_ids(turns)
    except ChatTemplateError as error:
        raise RequestError("chat_template_failed", str(error), 400, "messages") from None
    except TokenizerError as error:
        code = "context_length_exceeded" if error.code == "text_too_long" else error.code
        raise RequestError(code, str(error), 400, "messages") from None


def text_of(message: ChatMessage) -> str:
    """The text of a message; parts are joined without anything between them."""
    if isinstance(message.content, str):
        return message.content
    return "".join(part.text for part in message.content)


@lru_cache(maxsize=4)
def _compiled(template: str, tokenizer: Tokenizer) -> ChatTemplate:
    return ChatTemplate(template, tokenizer)
