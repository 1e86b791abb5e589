"""What WeCom writes in XML: one flat element, whose texts are read and the rest of it left out."""

from xml.parsers.expat import ExpatError

import xmltodict

Fields = dict[str, str]


class BadXmlError(ValueError):
    """It is not the XML that was expected."""


def parse_fields(raw: str | bytes) -> Fields:
    """The texts directly below the root; raises BadXmlError. Entities are refused."""
    try:
        root = xmltodict.parse(raw).get("xml")
    except (ExpatError, ValueError, LookupError, TypeError, AttributeError, IndexError) as error:
        raise BadXmlError from error
    if not isinstance(root, dict):
        raise BadXmlError
    # An empty element comes as None, a repeated one as a list.
    return {name: value or "" for name, value in root.items() if isinstance(value, str | None)}


def sealed_in(body: bytes) -> str:
    """What is sealed in the body of a callback; raises BadXmlError."""
    return parse_fields(body).get("Encrypt", "")
