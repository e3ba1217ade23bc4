"""Options that several commands share. Each option's environment twin is RAIL_ and its long name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from web.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def option(*declarations: str, **settings: Any) -> Callable[[F], F]:
    """A click option with its environment variable: `--max-tokens` is also RAIL_MAX_TOKENS."""
    long_name = next(name for name in declarations if name.startswith("--")).partition("/")[0]
    settings.setdefault("envvar", "RAIL_" + long_name[2:].upper().replace("-", "_"))
    settings.setdefault("show_envvar", True)
    return click.option(*declarations, **settings)


def json_option(command: F) -> F:
    return option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(command)


def home_option(command: F) -> F:
    text = "Folder of keys, the log and receipts. [default: ~/.local/share/rail]"
    return option("--home", type=click.Path(file_okay=False), help=text)(command)


def model_option(command: F) -> F:
    return option("--model", type=click.Path(), help="Model file (.rail). [default: the shipped model]")(command)


def engine_options(command: F) -> F:
    """--model, --threads and --kernels."""
    kernels = option("--kernels", metavar="NAME", help="Kernel set; `rail doctor` lists them. [default: the fastest]")
    threads = option("--threads", type=click.IntRange(1, 1024), help="Threads of the engine; never changes a bit.")
    return model_option(threads(kernels(command)))


def log_options(command: F) -> F:
    """--log-format and --log-level, of what serves."""
    form = option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Form of the log on stderr: one event a line. It never holds texts, keys or codes.",
    )
    level = option(
        "--log-level",
        type=click.Choice(["error", "warning", "info"]),
        help="Least level that is logged; requests are info. [default: info as json, warning as text]",
    )
    return form(level(command))


def settings_from(**overrides: object) -> "Settings":
    """Settings from the environment and from the options that were given (those that are not None)."""
    from web.settings import Settings

    return Settings.from_env(**overrides)
