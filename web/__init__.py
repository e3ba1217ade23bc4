"""The service, its API and pages, the command line and the auditor: the only package that knows both
`inference` and `ledger`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiflask import APIFlask

    from web.services import Services
    from web.settings import Settings


def create_app(target: "Settings | Services | None" = None) -> "APIFlask":
    """The WSGI application over settings, over services that exist already, or over the environment.

    The import is inside so that a command that needs no server does not wait for one to load.
    """
    from web.app import create_app

    return create_app(target)
