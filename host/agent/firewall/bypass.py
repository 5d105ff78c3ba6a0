"""Finds rules outside ufw's own that would let strangers in or close SSH."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from agent.errors import RefusedError
from agent.firewall.chains import Entry, by_chain, find_denial, find_opening, parse_entries
from agent.firewall.kernel import TOOL, filter_rules

# The chains that ufw fills itself.
MANAGED = re.compile(r"ufw6?-(user|track|reject|skip-to-policy)-")

# The files around ufw's own rules, which administrators may edit: ufw-framework(8).
FRAMES = {
    4: (Path("/etc/ufw/before.rules"), Path("/etc/ufw/after.rules")),
    6: (Path("/etc/ufw/before6.rules"), Path("/etc/ufw/after6.rules")),
}


def refuse_bypasses(
    versions: Sequence[int], ssh_ports: Collection[int], closed: Collection[int], outside: Collection[str]
) -> None:
    """Refuses rules outside ufw's own that open one of the `closed` ports to everyone, or close SSH.

    Reads the kernel's rules and the files that ufw loads at its next start.
    """
    for version in versions:
        tool = TOOL[version]
        kernel = parse_entries(filter_rules(version), tool)
        frames = [entry for path in FRAMES[version] for entry in _read_frame(path, tool)]
        for port in sorted(closed):
            now = find_kernel_opening(kernel, port, outside)
            _refuse_frame(_find_frame_opening(frames, version, port, outside), now, f"opens port {port} to everyone")
            if now is not None:
                raise RefusedError(
                    f"a rule in the kernel, outside ufw, opens port {port} to everyone; run `{now.rule.name}` on the "
                    "host, remove it from where it is set at boot, and run `pulumi up` again"
                )
        for port in sorted(ssh_ports):
            chain = by_chain(frames).get(f"{_prefix(version)}-before-input", [])
            _refuse_frame(find_denial(chain, port), None, f"blocks SSH on port {port}")


def find_kernel_opening(listed: Sequence[Entry], port: int, outside: Collection[str]) -> Entry | None:
    """The first rule in the kernel, apart from those that ufw manages, that opens a port to everyone."""
    chains = by_chain([entry for entry in listed if not MANAGED.match(entry.chain)])
    return find_opening(chains, ["INPUT"], port, outside)


def _read_frame(path: Path, tool: str) -> list[Entry]:
    return parse_entries(path.read_text(errors="replace").splitlines(), tool, str(path)) if path.exists() else []


def _find_frame_opening(frames: Sequence[Entry], version: int, port: int, outside: Collection[str]) -> Entry | None:
    starts = [f"{_prefix(version)}-{place}-input" for place in ("before-logging", "before", "after", "after-logging")]
    return find_opening(by_chain(frames), ["INPUT", *starts], port, outside)


def _refuse_frame(frame: Entry | None, now: Entry | None, trouble: str) -> None:
    if frame is None:
        return
    # Never advise `ufw reload`: it opens the host for a moment.
    kernel = "" if now is None else f", run `{now.rule.name}` on the host,"
    raise RefusedError(f"{frame.place} {trouble}; delete it{kernel} and run `pulumi up` again")


def _prefix(version: int) -> str:
    return "ufw" if version == 4 else "ufw6"
