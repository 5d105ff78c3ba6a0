"""Compares the kernel's rules with ufw's files, and applies the files."""

import functools
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from agent import changes
from agent.errors import HostError, RefusedError
from agent.firewall.chains import parse_entries
from agent.firewall.connection import this_connection
from agent.firewall.own_chains import chain_removal, ufw_chains
from agent.firewall.rules import ANYWHERE
from agent.firewall.ufw import CONFIGURATION, DEFAULTS, USER_RULES, Files, folder_with, value
from agent.listeners.tables import listings
from agent.system import run

UFW_INIT = "/lib/ufw/ufw-init"
# What its owner may have ufw run when it starts and stops: ufw-framework(8).
INIT_SCRIPTS = (Path("/etc/ufw/before.init"), Path("/etc/ufw/after.init"))

BUILT_IN = ("INPUT", "FORWARD", "OUTPUT")

# Our chain that protects the host while ufw's chains are rebuilt.
GUARD = "immich-access-guard"

PREFIX = {4: "ufw", 6: "ufw6"}
TOOL = {4: "iptables", 6: "ip6tables"}


def has_ipv6() -> bool:
    """Whether the kernel supports IPv6, by ufw's own criterion."""
    return Path("/proc/sys/net/ipv6").exists()


def versions() -> list[int]:
    """The IP versions that the kernel supports."""
    return [4, 6] if has_ipv6() else [4]


def forwards() -> bool:
    """Whether the host routes packets for others, and its rules let it by default."""
    switches = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
    return any(
        _switch(switches[version]) == "1" and "-P FORWARD ACCEPT" in filter_rules(version) for version in versions()
    )


def _switch(name: str) -> str:
    """A setting of the kernel's; empty if it has none of that name."""
    path = Path("/proc/sys", name)
    return path.read_text().strip() if path.exists() else ""


def in_force(files: Files) -> bool:
    """Whether the kernel filters exactly as these files say; for a disabled ufw, whether its chains are unhooked."""
    if value(files, CONFIGURATION, "ENABLED") != "yes":
        return not any(_is_hooked(listing, version) or _has_guard(listing) for version, listing in _listings())
    return all(_is_set_up(files, version) and not _user_rules_differ(files, version) for version in versions())


Policies = Mapping[str, Mapping[str, str]]


def policies() -> Policies:
    """The policies of the built-in chains, by IP version and chain. ufw sets them, also when it is turned off."""
    lines = {version: [line.split() for line in listing] for version, listing in _listings()}
    return {
        str(version): {words[1]: words[2] for words in listed if words[0] == "-P"} for version, listed in lines.items()
    }


def apply(files: Files, ssh_ports: Collection[int], former: Policies | None = None) -> None:
    """Makes the kernel filter as these files say, whether or not they are in place.

    Where they turn ufw off, the built-in chains get their `former` policies, or accept. If only rules differ, they
    change in one transaction per IP version. Otherwise ufw is restarted behind a guard that accepts no new connections
    but SSH. Raises HostError if the kernel still differs afterwards.
    """
    if in_force(files):
        return
    if value(files, CONFIGURATION, "ENABLED") != "yes":
        _stop_ufw({} if former is None else former)
        _remove_guard()
    elif all(_is_set_up(files, version) for version in versions()):
        for version in versions():
            if _user_rules_differ(files, version):
                restore(version, _user_rules(files, version))
    else:
        _start_ufw(files, ssh_ports)
    if not in_force(files):
        raise HostError("the kernel's rules are not what ufw's files say, though they have just been loaded")


def _is_managed(files: Files, version: int) -> bool:
    """Whether ufw manages the rules of an IP version; otherwise it leaves that version closed."""
    return version == 4 or value(files, DEFAULTS, "IPV6") == "yes"


def _is_set_up(files: Files, version: int) -> bool:
    """Whether ufw's chains are hooked in and the default policy is that of the files."""
    listing = filter_rules(version)
    prefix = PREFIX[version]
    if not _is_managed(files, version):
        return not _is_hooked(listing, version)
    policy = value(files, DEFAULTS, "DEFAULT_INPUT_POLICY")
    return (
        f"-P INPUT {'ACCEPT' if policy == 'accept' else 'DROP'}" in listing
        and any(line.startswith(f"-A {prefix}-track-input") for line in listing) == (policy == "accept")
        and any(line.startswith(f"-A {prefix}-reject-input") for line in listing) == (policy == "reject")
        and f"-A {prefix}-before-input -j {prefix}-user-input" in listing
        and _is_hooked(listing, version)
        and not _has_guard(listing)
    )


def _is_hooked(listing: list[str], version: int) -> bool:
    return f"-A INPUT -j {PREFIX[version]}-before-input" in listing and any(
        line.startswith(f"-A {PREFIX[version]}-before-input") for line in listing
    )


def _user_rules_differ(files: Files, version: int) -> bool:
    """Whether the rules in ufw's user chains differ from the file."""
    if not _is_managed(files, version):
        return False
    rules, listing = _user_rules(files, version), _user_chains(filter_rules(version), version)
    return (
        not _are_same(_user_chains(rules.splitlines(), version), listing)
        and _in_kernel_wording(rules, version) != listing
    )


def _are_same(rules: Sequence[str], listing: Sequence[str]) -> bool:
    """Whether rules differ only in the order of their options, which is the usual case for ufw's files."""
    return [_options(rule) for rule in rules] == [_options(line) for line in listing]


def _options(rule: str) -> list[str]:
    """The options of a rule with their values, sorted unless one is negated."""
    options = re.split(r" (?=-)", rule.strip())
    return options if " !" in rule else sorted(option for option in options if option not in ("-m tcp", "-m udp"))


@functools.cache
def _in_kernel_wording(rules: str, version: int) -> list[str]:
    """The rules of a file's user chains as the kernel prints them.

    Loads the file in a separate network namespace and reads it back.
    """
    tool = TOOL[version]
    loaded = run(["unshare", "--net", "sh", "-c", f"{tool}-restore -w 10 -n && {tool} -w 10 -S"], text=rules)
    return _user_chains(loaded.stdout.splitlines(), version)


def _user_chains(listing: list[str], version: int) -> list[str]:
    return [line for line in listing if re.match(rf"-A {PREFIX[version]}-user-(input|output|forward) ", line)]


def _user_rules(files: Files, version: int) -> str:
    file = files[USER_RULES[version]]
    if file is None:
        raise HostError(f"{USER_RULES[version]} is missing; reinstall ufw")
    return file.content.decode(errors="surrogateescape")


@changes.until_changed
def filter_rules(version: int) -> list[str]:
    """The kernel's rules in the table `filter`, as `iptables -S` lists them."""
    for listing in listings():
        if listing.version == version and not listing.is_other_form and "filter" in listing.tables:
            return listing.tables["filter"]
    return run([TOOL[version], "-w", "10", "-S"]).stdout.splitlines()


def _listings() -> list[tuple[int, list[str]]]:
    return [(version, filter_rules(version)) for version in versions()]


def _has_guard(listing: list[str]) -> bool:
    return f"-N {GUARD}" in listing


def restore(version: int, rules: str) -> None:
    """Loads rules in one transaction. Chains that they do not name stay."""
    _change([f"{TOOL[version]}-restore", "-w", "10", "-n"], rules)


def _change(command: Sequence[str], rules: str = "") -> None:
    """Runs a program that changes the kernel's rules."""
    changes.note("the kernel's rules")
    run(command, text=rules)


def _start_ufw(files: Files, ssh_ports: Collection[int]) -> None:
    """Rebuilds ufw's chains. Fails closed: after an error the guard stays and accepts only SSH."""
    _remove_guard()
    for version in versions():
        restore(version, _guard_rules(files, version, ssh_ports))
    if any(ufw_chains(listing, PREFIX[version]) for version, listing in _listings()):
        _change([UFW_INIT, "force-stop"])
        # ufw's start skips chains that exist, even if nothing jumps to them, so delete the rest.
        for version, listing in _listings():
            restore(version, chain_removal(listing, PREFIX[version]))
    with folder_with(files) as folder:
        _change([UFW_INIT, *([] if folder is None else ["--datadir", str(folder)]), "start"])
    _remove_guard()


def _stop_ufw(former: Policies) -> None:
    """Takes ufw's chains away and sets the built-in chains' policies, in one transaction per IP version.

    ufw's own stop would open every port for a moment where another firewall has a policy of its own.
    """
    for version, listing in _listings():
        known = former.get(str(version))
        # ufw shuts an IP version that it does not filter, without chains of its own.
        if _is_hooked(listing, version) or known is not None:
            wanted = {**dict.fromkeys(BUILT_IN, "ACCEPT"), **(known or {})}
            lines = [f":{chain} {wanted[chain]} [0:0]" for chain in BUILT_IN]
            restore(version, chain_removal(listing, PREFIX[version], lines))
    for script in INIT_SCRIPTS:
        if os.access(script, os.X_OK):
            _change([str(script), "stop"])


def _guard_rules(files: Files, version: int, ssh_ports: Collection[int]) -> str:
    icmp = "icmp" if version == 4 else "ipv6-icmp"
    return "\n".join(
        [
            "*filter",
            f":{GUARD} - [0:0]",
            f"-A {GUARD} -i lo -j ACCEPT",
            f"-A {GUARD} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"-A {GUARD} -p {icmp} -j ACCEPT",
            *(
                f"-A {GUARD} -s {source} -p tcp --dport {port} -j ACCEPT"
                for port in sorted(ssh_ports)
                for source in _ssh_sources(files, version, port)
            ),
            f"-A {GUARD} -j DROP",
            f"-I INPUT 1 -j {GUARD}",
            "COMMIT\n",
        ]
    )


def _ssh_sources(files: Files, version: int, port: int) -> list[str]:
    """The networks from which ufw's files let SSH in on a port; anywhere if they do not say, for neither IP version.

    Nobody is locked out where the step runs on the host itself, so there nothing else is opened.
    """
    named = _named_sources(files, version, port)
    is_open = value(files, DEFAULTS, "DEFAULT_INPUT_POLICY") == "accept"
    is_settled = not is_open and (_named_sources(files, 10 - version, port) or _runs_on_host())
    return named if named or (is_settled and _is_managed(files, version)) else [ANYWHERE[version == 6]]


def _runs_on_host() -> bool:
    connection = this_connection()
    return connection is not None and connection.is_local


def _named_sources(files: Files, version: int, port: int) -> list[str]:
    rules = _user_rules(files, version).splitlines() if _is_managed(files, version) else []
    entries = [
        entry
        for entry in parse_entries(rules, TOOL[version])
        if entry.chain == f"{PREFIX[version]}-user-input"
        and entry.target in ("ACCEPT", f"{PREFIX[version]}-user-limit")
    ]
    return list(dict.fromkeys(one.rule.source for one in entries if one.rule.matches_port(port)))


def _remove_guard() -> None:
    """Removes the guard, including one that a killed run left."""
    for version, listing in _listings():
        if _has_guard(listing):
            hooks = [f"-D{line[2:]}" for line in listing if line == f"-A INPUT -j {GUARD}"]
            restore(version, "\n".join(["*filter", *hooks, f"-F {GUARD}", f"-X {GUARD}", "COMMIT\n"]))


def refuse_entangled() -> None:
    """Refuses rules of others that lead into the chain by which ufw tells whether it runs.

    ufw could not start again with such a rule. Raises RefusedError that names it.
    """
    for version, listing in _listings():
        entrance = f"{PREFIX[version]}-user-input"
        for line in listing:
            if re.search(rf"-[jg] {entrance}$", line) and not line.startswith(f"-A {PREFIX[version]}-"):
                raise RefusedError(
                    f"a rule in the kernel leads into ufw's own chain {entrance}, so ufw cannot start; run "
                    f"`{TOOL[version]} -D{line[2:]}` on the host, remove it from where it is set, and run `pulumi up` "
                    "again"
                )
