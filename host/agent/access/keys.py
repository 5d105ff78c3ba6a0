"""Access's signing keys: validates them and writes them in our own form."""

import json
from typing import TYPE_CHECKING, Any, cast

from agent.access.encoding import decode_base64url, parse_json_object
from agent.access.rs256 import PublicKey
from agent.files import File

if TYPE_CHECKING:
    from collections.abc import Mapping

# An answer has two keys and two certificates, 6 KB.
LIMIT_BYTES = 64 * 1024
MOST_KEYS = 20


def parse_keys(body: bytes) -> dict[str, PublicKey]:
    """The usable keys of a JSON Web Key Set (RFC 7517), by key id; raises ValueError if there are none."""
    return {kid: key for kid, (key, _) in _usable(body).items()}


def keys_file(body: bytes) -> File:
    """The file with the usable keys of Access's answer, sorted, because Access may change their order.

    Raises ValueError if there are none.
    """
    entries = [entry for _, (_, entry) in sorted(_usable(body).items())]
    return File(f"{json.dumps({'keys': entries})}\n".encode())


def _usable(body: bytes) -> dict[str, tuple[PublicKey, dict[str, str]]]:
    if len(body) > LIMIT_BYTES:
        raise ValueError("it is too long")
    entries = parse_json_object(body).get("keys")
    if not isinstance(entries, list):
        raise ValueError("it has no list of keys")
    found: dict[str, tuple[PublicKey, dict[str, str]]] = {}
    for entry in cast("list[object]", entries):
        key = _key(entry)
        if key is not None and len(found) < MOST_KEYS:
            found.setdefault(key[0], key[1:])
    if not found:
        raise ValueError("it has no RSA key for RS256")
    return found


def _key(entry: object) -> tuple[str, PublicKey, dict[str, str]] | None:
    """One key with its id and its entry, or None if it is malformed, for another use or too weak."""
    if not isinstance(entry, dict):
        return None
    jwk = cast("Mapping[str, Any]", entry)
    kid, n, e = jwk.get("kid"), jwk.get("n"), jwk.get("e")
    if jwk.get("kty") != "RSA" or jwk.get("alg", "RS256") != "RS256" or jwk.get("use", "sig") != "sig":
        return None
    if not isinstance(kid, str) or not isinstance(n, str) or not isinstance(e, str):
        return None
    try:
        key = PublicKey(int.from_bytes(decode_base64url(n), "big"), int.from_bytes(decode_base64url(e), "big"))
    except ValueError:
        return None
    return (kid, key, {"kid": kid, "kty": "RSA", "n": n, "e": e}) if key.is_strong else None
