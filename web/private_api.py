"""`/api/private`: what a text can be looked up with that its holder does not show. ledger/index/SPEC.md section 12."""

from apiflask import APIBlueprint
from flask import Response, jsonify, request

from ledger.index.portable import character_data
from ledger.index.private import prefix_bits
from ledger.index.rules import RULES
from web.current import current_services
from web.present import log_json
from web.schemas import CharacterData, PrivateLookup

blueprint = APIBlueprint("private", __name__, tag="Ledger")

BUCKET_TYPE = "application/octet-stream"
BUCKET_SECONDS = 60
DATA_SECONDS = 24 * 3600


@blueprint.get("/api/private")
@blueprint.output(PrivateLookup)
def private_lookup() -> Response:
    """Say how fingerprints are put into buckets at present, and up to which record."""
    services = current_services()
    services.index.catch_up(services.log)
    indexed_through, complete = services.index.state()
    facts = {"rules": RULES, "prefix_bits": prefix_bits(indexed_through + 1)}
    return jsonify({**facts, "indexed_through": indexed_through, "complete": complete, "log": log_json(services)})


@blueprint.get("/api/private/buckets/<int:bits>/<int:prefix>")
def bucket(bits: int, prefix: int) -> Response:
    """Get all fingerprints of public records that begin with these bits: the same bytes for everyone, padded."""
    services = current_services()
    response = Response(services.index.bucket(bits, prefix, services.log), content_type=BUCKET_TYPE)
    response.headers["Cache-Control"] = f"public, max-age={BUCKET_SECONDS}"
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/api/private/characters")
@blueprint.output(CharacterData)
def characters() -> Response:
    """Get the tables that a program in another language normalises texts with, to make the same fingerprints."""
    response = jsonify(character_data())
    response.headers["Cache-Control"] = f"public, max-age={DATA_SECONDS}"
    return response
