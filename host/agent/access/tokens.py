"""Judges tokens of Cloudflare Access.

Their form: https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/
"""

import math
from collections.abc import Mapping
from typing import Any, cast

from agent.access.encoding import decode_base64url, parse_json_object
from agent.access.rs256 import PublicKey, verify_signature

# How far this host's clock and Cloudflare's may lie apart.
SKEW_SECONDS = 60
# nginx takes no longer header line either.
LONGEST = 8192


class RefusedError(Exception):
    """Why a token does not count; the text holds nothing of it."""


class UnknownKeyError(RefusedError):
    """The token names a key that is not among the known ones, which may be newer than they are."""


def check_token(token: str, audience: str, issuer: str, keys: Mapping[str, PublicKey], now: float) -> float:
    """The time at which a token ends, in seconds since the epoch, the skew of clocks included.

    Raises RefusedError unless it is signed with RS256 by one of the keys, in time, by this issuer, for this audience.
    """
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3:
        raise RefusedError("it has not the form of a token")
    header, claims, signature = parts
    key = _find_key(_read(header), keys)
    if not verify_signature(key, f"{header}.{claims}".encode(), _decode(signature)):
        raise RefusedError("its signature is wrong")
    return _check_claims(_read(claims), audience, issuer, now)


def _find_key(header: Mapping[str, Any], keys: Mapping[str, PublicKey]) -> PublicKey:
    """The key by which the token says it is signed. The algorithm is ours to choose, not the token's."""
    if header.get("alg") != "RS256":
        raise RefusedError("it is not signed with RS256")
    # Extensions that must be understood (RFC 7515, section 4.1.11); there is none that we do.
    if "crit" in header:
        raise RefusedError("it asks for an extension")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise RefusedError("it names no key")
    if kid not in keys:
        raise UnknownKeyError("it names a key that Access does not publish")
    return keys[kid]


def _check_claims(claims: Mapping[str, Any], audience: str, issuer: str, now: float) -> float:
    # A person's token has a list of audiences, a device's has the one as text.
    aud = claims.get("aud")
    audiences = cast("list[object]", aud) if isinstance(aud, list) else [aud]
    if claims.get("iss") != issuer:
        raise RefusedError("it is of another issuer")
    if audience not in audiences:
        raise RefusedError("it is for another application")
    end = _time(claims, "exp") + SKEW_SECONDS
    if now >= end:
        raise RefusedError("it has expired")
    # A device's token has no `nbf`.
    if any(now < _time(claims, name) - SKEW_SECONDS for name in ("iat", "nbf") if name == "iat" or name in claims):
        raise RefusedError("it is not valid yet, or this host's clock is slow")
    return end


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefusedError(f"it has no time {name}")
    return value


def _decode(text: str) -> bytes:
    try:
        return decode_base64url(text)
    except ValueError:
        raise RefusedError("it has not the form of a token") from None


def _read(text: str) -> dict[str, Any]:
    try:
        return parse_json_object(decode_base64url(text))
    except ValueError:
        raise RefusedError("it has not the form of a token") from None
