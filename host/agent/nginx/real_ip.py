"""Configures nginx's real_ip module: only Cloudflare's connections may set the visitor's address in a header."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from agent.files import File, files_replaced, files_to_change
from agent.firewall import record
from agent.nginx import service
from agent.nginx.layout import OWN, RANGES, enabled_sites
from agent.ranges import check_ranges
from agent.system import is_installed


def install(ipv4: Sequence[str], ipv6: Sequence[str]) -> None:
    """Writes the ranges that the sites include, and reloads nginx if they changed and a site is enabled.

    If the ranges are invalid or nginx refuses them, restores the former ones and raises HostError.
    """
    wanted = _ranges_file(ipv4, ipv6)
    used = is_installed("nginx") and bool(enabled_sites())
    if not files_to_change(wanted) and not (used and service.is_unfinished()):
        return
    with service.restored_on_error() if used else nullcontext(), files_replaced(files_to_change(wanted)):
        if used:
            service.load()


def recorded_file() -> dict[Path, File | None]:
    """The file with the firewall's current ranges; empty before the first firewall step."""
    ranges = record.read_ranges()
    return {} if ranges is None else _ranges_file(*ranges)


def remove() -> None:
    """Removes the ranges, unless a site still includes them."""
    if not enabled_sites():
        RANGES.unlink(missing_ok=True)
        if OWN.exists() and not any(OWN.iterdir()):
            OWN.rmdir()


def _ranges_file(ipv4: Sequence[str], ipv6: Sequence[str]) -> dict[Path, File | None]:
    ranges = [*check_ranges(ipv4, 4), *check_ranges(ipv6, 6)]
    text = "# Cloudflare's addresses. Written by immich-access, daily.\n"
    return {RANGES: File((text + "".join(f"set_real_ip_from {network};\n" for network in ranges)).encode())}
