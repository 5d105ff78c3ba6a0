"""Rules in the kernel's own INPUT chain, which packets meet before they come to ufw."""

import shlex
from collections.abc import Collection, Sequence

from agent.errors import HostError
from agent.firewall.rules import ANYWHERE, Rule
from agent.system import run

# Matches that do not keep anyone out. A rule with another one is taken to be narrower.
TRANSPARENT = {"tcp", "multiport", "comment", "conntrack", "state"}


def accepting(listing: Sequence[str], tool: str) -> list[Rule]:
    """The rules before ufw's that accept new TCP connections, in what `iptables -S INPUT` lists."""
    found: list[Rule] = []
    for line in listing:
        words = shlex.split(line)
        if "ufw-before-input" in words or "ufw6-before-input" in words:
            break
        options = {word: words[at + 1] for at, word in enumerate(words[:-1])}
        modules = {words[at + 1] for at, word in enumerate(words[:-1]) if word == "-m"}
        states = options.get("--ctstate", options.get("--state", "NEW"))
        if options.get("-j") != "ACCEPT" or "!" in words or modules - TRANSPARENT or "NEW" not in states:
            continue
        found.append(
            Rule(
                action="allow",
                protocol=options.get("-p", "any"),
                ports=options.get("--dport", options.get("--dports", "any")),
                source=options.get("-s", ANYWHERE[tool == "ip6tables"]),
                destination="any",
                source_ports="any",
                interface=options.get("-i", ""),
                incoming=True,
                comment="",
                name=f"{tool} -D{line[2:]}",
            )
        )
    return found


def refuse_bypasses(versions: Sequence[int], closed: Collection[int], outside: Collection[str]) -> None:
    """Raises HostError when such a rule lets everyone reach one of the `closed` ports."""
    for version in versions:
        tool = "iptables" if version == 4 else "ip6tables"
        for rule in accepting(run([tool, "-w", "10", "-S", "INPUT"]).stdout.splitlines(), tool):
            for port in sorted(closed):
                if rule.matches_port(port) and rule.reaches_strangers(outside):
                    raise HostError(
                        f"a rule in the kernel, outside ufw, opens port {port} to everyone; run `{rule.name}` on the "
                        "host, remove it from where it is set at boot, and run `pulumi up` again; "
                        "nothing has been changed"
                    )
