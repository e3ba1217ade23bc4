"""The audit's report: JSON signed with the auditor's own key, and the same as one self-contained HTML page."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ledger.errors import LedgerError, ParseError
from ledger.keys import SigningKey, VerifyKey, operator_id
from web.files import SHARED, replace_file

FORMAT = "rail-audit-report/1"
DOMAIN = b"rail/audit-report/v1\0"
REPORT_BYTES_MAX = 16 << 20


def signed_report(body: dict[str, Any], key: SigningKey) -> dict[str, Any]:
    """The report with its signature: Ed25519 over DOMAIN and the canonical JSON of `report`."""
    return {
        "format": FORMAT,
        "report": body,
        "auditor": {"id": operator_id(key.public).hex(), "vkey": key.vkey},
        "signature": b64encode(key.sign(DOMAIN + canonical_json(body))).decode(),
    }


def check_report(data: bytes) -> dict[str, Any]:
    """The body of a report whose signature holds under the key it names.

    Raises ParseError (`report_format`) or SignatureInvalid. Whose key that is, the reader has to know.
    """
    try:
        if len(data) > REPORT_BYTES_MAX:
            raise ValueError(f"larger than {REPORT_BYTES_MAX} bytes")
        value = json.loads(data)
        if value.keys() != {"format", "report", "auditor", "signature"} or value["format"] != FORMAT:
            raise ValueError(f"not a {FORMAT}")
        body: dict[str, Any] = value["report"]
        key = VerifyKey.parse(value["auditor"]["vkey"])
        if value["auditor"] != {"id": operator_id(key.public).hex(), "vkey": key.vkey}:
            raise ValueError("the auditor's id is not that of its key")
        signature = b64decode(value["signature"], validate=True)
    except LedgerError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParseError("report_format", f"the report does not parse: {error}") from error
    key.verify(DOMAIN + canonical_json(body), signature)
    return body


def canonical_json(value: object) -> bytes:
    """Sorted keys, no spaces, UTF-8: RFC 8785 for values without fractions, which reports are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def report_page(report: dict[str, Any]) -> str:
    """The report as HTML: no script, no outside resource; every value is escaped."""
    environment = Environment(
        loader=PackageLoader("web", "templates"), autoescape=select_autoescape(default=True), undefined=StrictUndefined
    )
    raw = json.dumps(report, indent=2, ensure_ascii=False)
    return environment.get_template("audit_report.html").render(signed=report, report=report["report"], raw=raw)


def write_report(folder: Path, name: str, report: dict[str, Any]) -> tuple[Path, Path]:
    """Write NAME.json and NAME.html into `folder`; returns both paths."""
    json_path, html_path = folder / f"{name}.json", folder / f"{name}.html"
    replace_file(json_path, (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode(), SHARED)
    replace_file(html_path, report_page(report).encode(), SHARED)
    return json_path, html_path
