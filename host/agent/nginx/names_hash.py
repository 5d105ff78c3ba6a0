"""The size of nginx's table of host names, for names of more than 46 characters."""

from collections.abc import Collection

from agent.errors import RefusedError
from agent.nginx.configuration import Directive

DIRECTIVE = "server_names_hash_bucket_size"
# What nginx takes without the directive: a line of the processor's cache, which may be longer, too
DEFAULT_BYTES = 64
POINTER_BYTES = 8


def bucket_size(http: Directive | None, names: Collection[str]) -> int | None:
    """The size that we have to set for the names; None if nginx's own does, or the owner's.

    Raises RefusedError if the owner's does not: nginx takes the directive once.
    """
    needed = max(map(_bytes, names), default=0)
    others = [one for one in (http.all(DIRECTIVE) if http is not None else []) if not one.is_ours]
    if not others:
        return None if needed <= DEFAULT_BYTES else needed
    (size,) = others[0].arguments
    if int(size) < needed:
        raise RefusedError(
            f"{DIRECTIVE} {size} ({others[0].place}) is too small for the host name {max(names, key=len)}; "
            f"set it to {needed} there"
        )
    return None


def _bytes(name: str) -> int:
    """The power of two that has room for the name: ngx_hash_init() and NGX_HASH_ELT_SIZE."""
    element = POINTER_BYTES + -(-(len(name) + 2) // POINTER_BYTES) * POINTER_BYTES
    return 1 << (element + POINTER_BYTES - 1).bit_length()
