"""Verifies tokens of Cloudflare Access.

Their format: https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/
"""

import math
from collections.abc import Mapping
from typing import Any, cast

from agent.access.encoding import decode_base64url, parse_json_object
from agent.access.rs256 import PublicKey, verify_signature

# The tolerated difference between this host's clock and Cloudflare's.
SKEW_SECONDS = 60
# nginx's own limit for a header line.
LONGEST = 8192


class RefusedError(Exception):
    """Why a token is refused; the text holds no part of the token."""


class UnknownKeyError(RefusedError):
    """Signed with a key id that we do not have. Our keys may be stale: refresh and retry."""


def check_token(token: str, audience: str, issuer: str, keys: Mapping[str, PublicKey], now: float) -> float:
    """Verifies a token; returns its expiry in seconds since the epoch, including the tolerated clock skew.

    Raises RefusedError unless it is signed with RS256 by one of the keys, by this issuer, for this audience, and valid
    now.
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
    """The key that the token names. We choose the algorithm, not the token."""
    if header.get("alg") != "RS256":
        raise RefusedError("it is not signed with RS256")
    # Extensions that a verifier must understand (RFC 7515, section 4.1.11); we support none.
    if "crit" in header:
        raise RefusedError("it asks for an extension")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise RefusedError("it names no key")
    if kid not in keys:
        raise UnknownKeyError("it names a key that Access does not publish")
    return keys[kid]


def _check_claims(claims: Mapping[str, Any], audience: str, issuer: str, now: float) -> float:
    # A person's token has a list of audiences, a device's token a single string.
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
