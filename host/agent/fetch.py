"""Downloads what Cloudflare publishes, over TLS with the host's own CA certificates."""

import http.client
import ssl
import time
import urllib.error
import urllib.request

from agent.errors import HostError

# What OpenSSL says of a certificate outside its time: X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED.
OUTSIDE_ITS_TIME = {9: "begins only later", 10: "has ended"}


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as an error."""

    def redirect_request(self, *_args: object, **_named: object) -> None:
        return None


def download(
    address: str, limit: int, timeout: float, pauses: tuple[float, ...], *, redirections: bool = True
) -> bytes:
    """Downloads at most `limit` + 1 bytes; raises HostError when every attempt fails.

    Makes one attempt after each of the `pauses`. They and the `timeout` of an attempt are in seconds.
    """
    handlers = () if redirections else (_Unredirected,)
    opener = urllib.request.build_opener(*handlers)
    problem = ""
    for pause in pauses:
        time.sleep(pause)
        try:
            request = urllib.request.Request(address, headers={"User-Agent": "immich-access"})
            with opener.open(request, timeout=timeout) as answer:
                return answer.read(limit + 1)
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            problem = _problem(error)
    raise HostError(f"cannot fetch {address}: {problem}")


def _problem(error: Exception) -> str:
    """Why a download failed. A wrong clock looks like an invalid certificate, so the text shows the clock."""
    reason = getattr(error, "reason", None)
    validity = OUTSIDE_ITS_TIME.get(reason.verify_code) if isinstance(reason, ssl.SSLCertVerificationError) else None
    if validity is None:
        return str(error)
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"its certificate {validity} by this host's clock, which says {now}"
