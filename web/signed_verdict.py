"""A verdict that its holder can show to others: signed by the service's operator, bound to the text by its hash."""

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

from ledger.errors import LedgerError, ParseError
from ledger.keys import SigningKey, VerifyKey
from web.audit.report import canonical_json

FORMAT = "rail-verdict/1"
DOMAIN = b"rail/verdict/v1\0"


def sign_verdict(text: str, verdict: dict[str, Any], key: SigningKey) -> dict[str, Any]:
    """`{format, text_sha256, verdict, vkey, signature}`: Ed25519 over DOMAIN and the canonical JSON of the first three.

    `text_sha256` is of the text's UTF-8 bytes, which must have no lone surrogates.
    """
    body = {"format": FORMAT, "text_sha256": sha256(text.encode()).hexdigest(), "verdict": verdict}
    signature = b64encode(key.sign(DOMAIN + canonical_json(body))).decode()
    return {**body, "vkey": key.vkey, "signature": signature}


def check_verdict(signed: dict[str, Any], text: str) -> dict[str, Any]:
    """The verdict in it, if it is on this text and the signature holds under the key it names.

    Raises ParseError (`verdict_format`, `verdict_text`) or SignatureInvalid. Whose key that is, the reader has to know.
    """
    try:
        if signed.keys() != {"format", "text_sha256", "verdict", "vkey", "signature"} or signed["format"] != FORMAT:
            raise ValueError(f"not a {FORMAT}")
        key = VerifyKey.parse(signed["vkey"])
        signature = b64decode(signed["signature"], validate=True)
        body = {name: signed[name] for name in ("format", "text_sha256", "verdict")}
        message = DOMAIN + canonical_json(body)
    except LedgerError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParseError("verdict_format", f"the signed verdict does not parse: {error}") from error
    key.verify(message, signature)
    if body["text_sha256"] != sha256(text.encode()).hexdigest():
        raise ParseError("verdict_text", "the signed verdict is on another text")
    verdict: dict[str, Any] = body["verdict"]
    return verdict
