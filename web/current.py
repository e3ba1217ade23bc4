"""The services of the application that handles the current request."""

from flask import current_app

from web.services import Services


def current_services() -> Services:
    """What `create_app` was given or built."""
    services: Services = current_app.extensions["rail"]
    return services
