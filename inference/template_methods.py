"""What a chat template may call, and what is checked before: methods of texts, lists and maps, filters, and tests.

Only what is listed here exists for a template. What is missing is missing on purpose: it would make the prompt depend
on time or chance, reach outside the messages, or grow without bound in a way that is not worth checking.
"""

import functools
import json
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from jinja2 import TemplateRuntimeError
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

from inference.template_budget import budget, glance, repeated, weigh

INDENT_MAX = 16


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ATTRIBUTES: dict[type, frozenset[str]] = {
    str: _words(
        "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric "
        "isspace istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition "
        "rsplit rstrip split splitlines startswith strip swapcase title upper"
    ),
    list: _words("copy count index"),
    tuple: _words("count index"),
    dict: _words("copy get items keys values"),
}

_FILTERS = _words(
    "abs capitalize count d default dictsort e escape first float groupby int items join last length list lower map "
    "max min reject rejectattr replace reverse safe select selectattr sort string title trim unique upper indent"
)


# Filters that look at items, not into them; what they call for each item pays for itself.
_SHALLOW = _words(
    "count d default first groupby items last length list map reject rejectattr reverse select selectattr"
)
_COMPARING = _words("== != < <= > >= eq equalto ne lt lessthan le gt greaterthan ge in")


def check_method(method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Spend what a call of a text's, list's or map's method costs, before it is made."""
    subject, name = method.__self__, method.__name__  # type: ignore[attr-defined]
    weigh(args)
    weigh(kwargs)
    if isinstance(subject, str):
        glance(subject)
        if name == "replace":
            _check_replace(subject, *args)
        elif name == "join" and args and hasattr(args[0], "__len__"):
            repeated(subject, len(args[0]))
    elif name in ("count", "index"):
        weigh(subject)
    else:
        glance(subject)


def make_filters() -> dict[str, Callable[..., Any]]:
    checks: dict[str, Callable[..., None]] = {"replace": _check_replace, "join": _check_join, "indent": _check_indent}
    known: dict[str, Any] = dict(FILTERS)
    found = {name: _paid(known[name], name not in _SHALLOW, checks.get(name)) for name in _FILTERS}
    return {**found, "tojson": tojson}


def make_tests() -> dict[str, Callable[..., Any]]:
    known: dict[str, Any] = dict(TESTS)
    return {name: _paid(test, name in _COMPARING, None) for name, test in known.items()}


def tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """As Hugging Face's: nothing is escaped for HTML."""
    start = budget().left
    depth = weigh(value, printed=True)
    if indent is not None:
        if type(indent) is not int or not 0 <= indent <= INDENT_MAX:
            raise TemplateRuntimeError(f"tojson takes an indent from 0 to {INDENT_MAX}")
        repeated(" " * indent, (start - budget().left) * depth)
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
    glance(text)
    # Noncharacters stay as they are: one of them may mark text of a message, see `chat_template`.
    return re.sub(r"[^\x00-\x7f\ufdd0-\ufdef]", _escape, text) if ensure_ascii else text


def _escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


def _paid(function: Callable[..., Any], deep: bool, check: Callable[..., None] | None) -> Callable[..., Any]:
    """The function, paid for by all that its arguments hold if `deep`, else by how many items they have.

    A filter that gives its items one by one gives them as a list.
    """
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for value in (*args[skipped:], *kwargs.values()):
            if deep:
                weigh(value)
            else:
                glance(value)
        if check is not None:
            check(*args[skipped:], **kwargs)
        result = function(*args, **kwargs)
        if hasattr(result, "__next__"):
            result = materialised(result)
        glance(result)
        return result

    return call


def _check_replace(text: Any, old: Any = "", new: Any = "", count: Any = -1) -> None:
    text, old, new = str(text), str(old), str(new)
    repeated(new, text.count(old))


def _check_join(value: Any, d: Any = "", attribute: Any = None) -> None:
    if hasattr(value, "__len__"):
        repeated(str(d), len(value))


def _check_indent(s: Any, width: Any = 4, first: bool = False, blank: bool = False) -> None:
    if type(width) is not int or not 0 <= width <= INDENT_MAX:
        raise TemplateRuntimeError(f"indent takes a width from 0 to {INDENT_MAX}")
    repeated(" " * width, str(s).count("\n") + 1)


def materialised(values: Iterable[Any]) -> Collection[Any]:
    """A list of what has no length yet, each item paid for."""
    if isinstance(values, Collection):
        return values
    found = []
    for value in values:
        budget().spend(1)
        found.append(value)
    return found
