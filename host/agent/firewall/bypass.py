"""Finds rules outside ufw's own that would let strangers in."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from agent.errors import RefusedError
from agent.firewall.chains import Entry, by_chain, find_opening, parse_entries
from agent.firewall.kernel import TOOL, filter_rules

# The chains that ufw fills itself.
MANAGED = re.compile(r"ufw6?-(user|track|reject|skip-to-policy)-")

# The files around ufw's own rules, which administrators may edit: ufw-framework(8).
FRAMES = {
    4: (Path("/etc/ufw/before.rules"), Path("/etc/ufw/after.rules")),
    6: (Path("/etc/ufw/before6.rules"), Path("/etc/ufw/after6.rules")),
}


def refuse_bypasses(versions: Sequence[int], closed: Collection[int], outside: Collection[str]) -> None:
    """Refuses rules outside ufw's own that open one of the `closed` ports to everyone.

    Reads the kernel's rules and the files that ufw loads at its next start.
    """
    for version in versions:
        tool = TOOL[version]
        kernel = parse_entries(filter_rules(version), tool)
        frames = frame_entries(version)
        for port in sorted(closed):
            now = find_kernel_opening(kernel, port, outside)
            _refuse_frame(_find_frame_opening(frames, version, port, outside), now, f"opens port {port} to everyone")
            if now is not None:
                raise RefusedError(
                    f"a rule in the kernel, outside ufw, opens port {port} to everyone; run `{now.rule.name}` on the "
                    "host, remove it from where it is set at boot, and run `pulumi up` again"
                )


def find_kernel_opening(listed: Sequence[Entry], port: int, outside: Collection[str]) -> Entry | None:
    """The first rule in the kernel, apart from those that ufw manages, that opens a port to everyone."""
    chains = by_chain([entry for entry in listed if not MANAGED.match(entry.chain)])
    return find_opening(chains, ["INPUT"], port, outside)


def frame_entries(version: int) -> list[Entry]:
    """The rules in the files around ufw's own, in order."""
    texts = {path: path.read_text(errors="replace") for path in FRAMES[version] if path.exists()}
    return [
        entry for path, text in texts.items() for entry in parse_entries(text.splitlines(), TOOL[version], str(path))
    ]


def input_chains(version: int) -> list[str]:
    """The chains, apart from those that ufw fills itself, which a packet for the host may enter first."""
    places = ("before-logging", "before", "after", "after-logging")
    return ["INPUT", *(f"{_prefix(version)}-{place}-input" for place in places)]


def _find_frame_opening(frames: Sequence[Entry], version: int, port: int, outside: Collection[str]) -> Entry | None:
    return find_opening(by_chain(frames), input_chains(version), port, outside)


def _refuse_frame(frame: Entry | None, now: Entry | None, trouble: str) -> None:
    if frame is None:
        return
    # Never advise `ufw reload`: it opens the host for a moment.
    kernel = "" if now is None else f", run `{now.rule.name}` on the host,"
    raise RefusedError(f"{frame.place} {trouble}; delete it{kernel} and run `pulumi up` again")


def _prefix(version: int) -> str:
    return "ufw" if version == 4 else "ufw6"
