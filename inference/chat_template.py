"""From chat messages to the token ids of a prompt, through the template that a model brings (SPEC.md, "Chat").

Control tokens come from the template alone. It writes them as text, as Hugging Face's do; the same text inside a
message is broken up by a mark before the template sees it, and the mark is taken out after the rendered text was
split at control tokens.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError

from inference.control_texts import MARKS, ControlTexts
from inference.errors import ChatTemplateError
from inference.template_budget import UNITS_BASE, UNITS_PER_CHARACTER, UNITS_PER_MESSAGE, BudgetExceeded, begin
from inference.template_environment import compile_template
from inference.tokenizer import Tokenizer

TEMPLATE_CHARS_MAX = 1 << 16
ROLES = ("system", "developer", "user", "assistant", "tool")
_SHOWN_CHARS = 300  # of an error that a template words itself

Messages = Sequence[Mapping[str, str]]


class ChatTemplate:
    """A compiled template for one vocabulary, safe to use from several threads at once.

    Raises ChatTemplateError (`template_invalid`) for one that is too long, no Jinja, or uses what is not supported.
    """

    def __init__(self, source: str, tokenizer: Tokenizer) -> None:
        self._source = source
        self._render = _compile(source)
        self._tokenizer = tokenizer
        self._controls = ControlTexts(tokenizer.controls)
        texts = {id: text for text, id in tokenizer.controls.items()}
        ends = {"bos_token": tokenizer.bos_id, "eos_token": tokenizer.eos_id}
        self._variables = {name: texts[id] for name, id in ends.items() if id is not None}

    def prompt_ids(self, messages: Messages, add_generation_prompt: bool = True) -> tuple[int, ...]:
        """Ids of the rendered messages; whether BOS is among them is for the template to say.

        Each message has a `role` (one of ROLES), and texts that nobody needs to trust, such as `content`. Raises
        ChatTemplateError: `role_unknown`, `template_failed` (also where the template itself refuses the messages),
        `template_budget` if it does not come to an end in reasonable time, `marks_used`; TokenizerError for text that
        is too long or not Unicode.
        """
        mark = self._mark(messages)
        marked = [_marked(message, self._controls, mark) for message in messages]
        rendered = self._rendered(
            {**self._variables, "messages": marked, "add_generation_prompt": add_generation_prompt}, marked
        )
        parts = self._controls.split(rendered)
        return self._tokenizer.encode_rendered(
            [part.replace(mark, "") if isinstance(part, str) else part for part in parts]
        )

    def _mark(self, messages: Messages) -> str:
        """A noncharacter that is in no text."""
        texts = [text for message in messages for text in message.values()]
        for mark in MARKS:
            if not any(mark in text for text in (*texts, self._source)):
                return mark
        raise ChatTemplateError("marks_used", "the messages use all noncharacters from U+FDD0 to U+FDEF; leave one out")

    def _rendered(self, variables: dict[str, Any], messages: Messages) -> str:
        characters = sum(len(text) for message in messages for text in message.values())
        begin(UNITS_BASE + UNITS_PER_MESSAGE * len(messages) + UNITS_PER_CHARACTER * characters)
        try:
            return self._render(tools=None, documents=None, **variables)
        except BudgetExceeded as error:
            raise ChatTemplateError("template_budget", f"the model's chat template cannot be used: {error}") from None
        except (RecursionError, MemoryError):
            raise ChatTemplateError("template_budget", "the model's chat template is nested too deep") from None
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            shown = str(error)[:_SHOWN_CHARS]
            raise ChatTemplateError(
                "template_failed", f"the model's chat template refuses these messages: {shown}"
            ) from None


@lru_cache(maxsize=8)
def _compile(source: str) -> Any:
    if len(source) > TEMPLATE_CHARS_MAX:
        raise _invalid(f"it has {len(source)} characters, at most {TEMPLATE_CHARS_MAX} are taken")
    try:
        return compile_template(source)
    except TemplateSyntaxError as error:
        raise _invalid(f"line {error.lineno}: {str(error.message)[:_SHOWN_CHARS]}") from None
    except (TemplateError, SyntaxError, ValueError, OverflowError) as error:
        raise _invalid(str(error)[:_SHOWN_CHARS]) from None
    except (RecursionError, MemoryError):
        raise _invalid("it is nested too deep") from None


def check_template(source: str) -> None:
    """Raise ChatTemplateError (`template_invalid`) for a template that could not be compiled."""
    _compile(source)


def _marked(message: Mapping[str, str], controls: ControlTexts, mark: str) -> dict[str, str]:
    if message.get("role") not in ROLES:
        raise ChatTemplateError("role_unknown", f"a message's role must be one of {', '.join(ROLES)}")
    return {name: text if name == "role" else controls.broken(text, mark) for name, text in message.items()}


def _invalid(what: str) -> ChatTemplateError:
    return ChatTemplateError("template_invalid", f"the model's chat template cannot be used: {what}")
