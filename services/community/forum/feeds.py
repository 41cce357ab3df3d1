"""Atom feeds (RFC 4287) of topics and of comments, for readers that poll."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from xml.etree import ElementTree as ET

ATOM = "http://www.w3.org/2005/Atom"
# XML 1.0 can't hold these in any form, not even escaped; people paste them all the same.
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What is said to have changed when a feed has no entry yet.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A post in a feed; `link` is absolute, `html` is safe already, `author` is None for somebody unknown."""

    id: UUID
    title: str
    author: str | None
    link: str
    html: str
    published: datetime
    updated: datetime


def render_feed(title: str, address: str, entries: Sequence[Entry]) -> bytes:
    """The feed as a document; `address` is its own absolute URL and its id."""
    feed = ET.Element("feed", xmlns=ATOM)
    _say(feed, "id", address)
    _say(feed, "title", title)
    ET.SubElement(feed, "link", rel="self", href=address, type="application/atom+xml")
    _say(feed, "updated", max((entry.updated for entry in entries), default=LONG_AGO).isoformat())
    for entry in entries:
        _add(feed, entry)
    document: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return document


def _add(feed: ET.Element, entry: Entry) -> None:
    node = ET.SubElement(feed, "entry")
    _say(node, "id", f"urn:uuid:{entry.id}")
    _say(node, "title", entry.title)
    _say(ET.SubElement(node, "author"), "name", entry.author or "Somebody")
    ET.SubElement(node, "link", href=entry.link)
    _say(node, "published", entry.published.isoformat())
    _say(node, "updated", entry.updated.isoformat())
    _say(node, "content", entry.html).set("type", "html")


def _say(parent: ET.Element, name: str, words: str) -> ET.Element:
    node = ET.SubElement(parent, name)
    node.text = NOT_XML.sub("\ufffd", words)
    return node
