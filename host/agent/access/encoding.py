"""Strict decoders for JSON Web Tokens and keys."""

import base64
import json
import re
from typing import Any, NoReturn, cast

BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def decode_base64url(text: object) -> bytes:
    """Decodes unpadded base64url (RFC 7515, section 2); raises ValueError for anything else."""
    if not isinstance(text, str) or not BASE64URL.fullmatch(text):
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parse_json_object(data: bytes) -> dict[str, Any]:
    """Parses a JSON object whose names are unique at every depth; raises ValueError for anything else.

    Parsers disagree about which of two values for one name counts.
    """
    try:
        value: object = _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return cast("dict[str, Any]", value)


def _require_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


# Made once, because that takes as long as a token's claims.
_DECODER = json.JSONDecoder(object_pairs_hook=_require_unique, parse_constant=_refuse_constant)
