"""The newest events as an Atom feed (RFC 4287)."""

from collections.abc import Sequence
from xml.etree import ElementTree as xml

from web.monitor.event import Event
from web.present import rfc3339

NAMESPACE = "http://www.w3.org/2005/Atom"


def feed(log: str, events: Sequence[Event]) -> bytes:
    """UTF-8 XML; the newest event first."""
    xml.register_namespace("", NAMESPACE)
    root = xml.Element(_name("feed"))
    _add(root, "id", f"urn:rail:monitor:{_safe(log)}")
    _add(root, "title", f"Monitor of {_safe(log)}")
    _add(root, "updated", rfc3339(max((event.time for event in events), default=0)))
    author = xml.SubElement(root, _name("author"))
    _add(author, "name", "rail monitor")
    for event in reversed(events):
        entry = xml.SubElement(root, _name("entry"))
        _add(entry, "id", f"urn:rail:event:{event.id}")
        where = "" if event.index is None else f", entry {event.index}"
        _add(entry, "title", f"{event.kind}{where}")
        _add(entry, "updated", rfc3339(event.time))
        xml.SubElement(entry, _name("category"), term=event.kind)
        _add(entry, "content", _safe(event.message))
    return bytes(xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _safe(text: str) -> str:
    """Without what XML cannot hold or a reader could be fooled by; others wrote part of it."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _add(parent: xml.Element, name: str, text: str) -> None:
    xml.SubElement(parent, _name(name)).text = text


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
