"""The log as C2SP tlog-tiles: bytes that any client of that specification can check and any cache may keep."""

from apiflask import APIBlueprint
from flask import Response, request

from ledger.errors import NotFound, ParseError
from ledger.tiles import parse_tile_path
from web.current import current_services

blueprint = APIBlueprint("tlog", __name__, tag="Log (C2SP tlog-tiles)")

TILE_CACHE = "public, max-age=604800, immutable"  # a tile of one width never changes
TILE_TYPE = "application/octet-stream"
CHECKPOINT_TYPE = "text/plain; charset=utf-8"


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    """Get the signed state of the log: origin, size and root, and the cosignatures of its witnesses."""
    services = current_services()
    response = Response(services.publication.checkpoint(services.log), content_type=CHECKPOINT_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/tile/<path:name>")
def tile(name: str) -> Response:
    """Get a hash tile or an entry bundle, whole or partial. Any path that is not canonical is 404."""
    log = current_services().log
    try:
        wanted = parse_tile_path(f"tile/{name}")
    except ParseError as error:
        raise NotFound(error.code, str(error)) from None
    if wanted.level is None:
        body = log.entry_bundle(wanted.number, wanted.width)
    else:
        body = log.hash_tile(wanted.level, wanted.number, wanted.width)
    response = Response(body, content_type=TILE_TYPE)
    response.headers["Cache-Control"] = TILE_CACHE
    response.add_etag()
    response.make_conditional(request)
    return response
