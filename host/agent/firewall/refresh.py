"""Fetches Cloudflare's address ranges and judges whether they may replace the ones in force."""

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any, cast

from agent.errors import HostError
from agent.ranges import Ranges, checked_ranges

# https://developers.cloudflare.com/api/resources/ips/: needs no token.
ADDRESS = "https://api.cloudflare.com/client/v4/ips"

# The answer has about 1 KB.
LIMIT_BYTES = 64 * 1024
TIMEOUT_SECONDS = 15.0
PAUSES_SECONDS = (0, 5, 10)

# What OpenSSL says of a certificate outside its time: X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED.
OUTSIDE_ITS_TIME = {9: "begins only later", 10: "has ended"}


def fetched(pauses: tuple[float, ...] = PAUSES_SECONDS) -> dict[str, list[str]]:
    """Cloudflare's ranges, over TLS with the host's own trust; raises HostError when they cannot be had."""
    problem = ""
    for pause in pauses:
        time.sleep(pause)
        try:
            request = urllib.request.Request(ADDRESS, headers={"User-Agent": "immich-access"})
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return ranges_in(answer.read(LIMIT_BYTES + 1))
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            problem = _problem(error)
    raise HostError(f"cannot fetch {ADDRESS}: {problem}; the former ranges stay in force")


def _problem(error: Exception) -> str:
    """Why there is no answer. A clock that is wrong looks like a certificate that is."""
    reason = getattr(error, "reason", None)
    validity = OUTSIDE_ITS_TIME.get(reason.verify_code) if isinstance(reason, ssl.SSLCertVerificationError) else None
    if validity is None:
        return str(error)
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"its certificate {validity} by this host's clock, which says {now}"


def ranges_in(body: bytes) -> dict[str, list[str]]:
    """The ranges in an answer of the API; raises HostError for anything else."""
    try:
        if len(body) > LIMIT_BYTES:
            raise ValueError("it is too long")
        answer: Any = json.loads(body)
        result = answer["result"]
        if answer["success"] is not True:
            raise ValueError("it reports a failure")
        ranges = {"ipv4": result["ipv4_cidrs"], "ipv6": result["ipv6_cidrs"]}
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"{ADDRESS} does not answer with address ranges ({error}); the former ones stay") from None
    return cast("dict[str, list[str]]", ranges)


def checked_update(ranges: Ranges, former: Ranges | None) -> Ranges:
    """The ranges, if they are plausible after the former ones; raises HostError when they are half as many or fewer."""
    for name, new, old in (
        ("IPv4", ranges.ipv4, [] if former is None else former.ipv4),
        ("IPv6", ranges.ipv6, [] if former is None else former.ipv6),
    ):
        if 2 * len(new) <= len(old):
            raise HostError(
                f"the new list has {len(new)} {name} ranges instead of {len(old)}, which is not plausible; "
                "the former ones stay in force; if it is right, run `pulumi up`"
            )
    return Ranges(checked_ranges(ranges.ipv4, 4), checked_ranges(ranges.ipv6, 6))
