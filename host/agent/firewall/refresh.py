"""Fetches Cloudflare's address ranges."""

import json
from typing import Any, cast

from agent import fetch
from agent.errors import HostError

# https://developers.cloudflare.com/api/resources/ips/: needs no token.
ADDRESS = "https://api.cloudflare.com/client/v4/ips"

# The answer has about 1 KB.
LIMIT_BYTES = 64 * 1024
TIMEOUT_SECONDS = 15.0
PAUSES_SECONDS = (0, 5, 10)


def fetch_ranges() -> dict[str, list[str]]:
    """Downloads Cloudflare's ranges over TLS; raises HostError on failure."""
    try:
        body = fetch.download(ADDRESS, LIMIT_BYTES, TIMEOUT_SECONDS, PAUSES_SECONDS)
    except HostError as error:
        raise HostError(f"{error}; the former ranges stay in force") from None
    return parse_answer(body)


def fetch_payload() -> dict[str, Any]:
    """The payload of the step `firewall-refresh`: the ranges, or the `problem` of fetching them."""
    try:
        return dict(fetch_ranges())
    except HostError as error:
        return {"problem": str(error)}


def parse_answer(body: bytes) -> dict[str, list[str]]:
    """Parses the API's answer; raises HostError for anything but ranges."""
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
