"""Installs the distribution's packages that are missing."""

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from agent import changes
from agent.errors import HostError, RefusedError
from agent.listeners.sockets import all_listeners
from agent.nginx import default_site
from agent.system import is_installed, run
from agent.systemd import unit_states

LISTS = Path("/var/lib/apt/lists")

# Packages whose services listen as soon as they are installed. They are masked in /run, so a killed step leaves
# nothing on disk, as a policy-rc.d would.
LISTENING = ("nginx",)
# Programs that serve as nginx does: nginx's own builds and those derived from it.
NGINX = ("nginx", "openresty", "angie", "freenginx", "tengine")
MASKS = Path("/run/systemd/system")

# Package lists are stale after a day: the mirror may have dropped their versions.
FRESH_SECONDS = 24 * 3600

# A mirror may be slow, but a step must not hang for ever.
TIMEOUT_SECONDS = 600.0

OPTIONS = (
    "-qq", "-o", "DPkg::Lock::Timeout=60", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30",
    # Nobody is there to answer about a file of an earlier installation that its owner has changed.
    "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
)  # fmt: skip
INSTALL = ("install", "-y", "--no-remove", "--no-install-recommends")

# What a simulation of apt-get prints for a package that it would remove: apt-get(8), --simulate.
REMOVAL = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)

# Other firewalls that set the kernel's rules when they start: their packages and units, and what to do about each.
FIREWALLS = {
    "firewalld.service": "move what it lets in to `ufw allow`, and run `systemctl disable --now firewalld`",
    "netfilter-persistent.service": (
        "move its rules (/etc/iptables/rules.v4 and rules.v6) to `ufw allow`, or to /etc/ufw/before.rules if they are "
        "more than that, and run `apt-get remove iptables-persistent netfilter-persistent`"
    ),
}
REMEDIES = {
    "firewalld": FIREWALLS["firewalld.service"],
    "iptables-persistent": FIREWALLS["netfilter-persistent.service"],
    "netfilter-persistent": FIREWALLS["netfilter-persistent.service"],
}


# Programs whose package has another name.
PACKAGES = {"nft": "nftables"}


def missing(programs: Sequence[str]) -> list[str]:
    """The packages of those programs that are not installed."""
    return [PACKAGES.get(program, program) for program in programs if not is_installed(program)]


def refuse_conflicts(packages: Sequence[str]) -> None:
    """Refuses a host on which something of its owner's would be removed or fought with by these packages or ours.

    Reads apt's lists anew if they are stale. Raises RefusedError that names what is in the way, and the way out.
    """
    for unit, state in unit_states(*FIREWALLS).items():
        if state.is_active or state.is_enabled:
            raise RefusedError(
                f"{unit} sets this host's firewall, and ufw would fight with it; {FIREWALLS[unit]}; then run "
                "`pulumi up` again"
            )
    if "nginx" in packages:
        _refuse_other_nginx()
    if not packages:
        return
    if time.time() - _lists_time() > FRESH_SECONDS:
        # A failed update is no error yet: old lists may do, and the installation fails if they do not.
        run(["apt-get", *OPTIONS, "update"], check=False, timeout=TIMEOUT_SECONDS)
    command = ["apt-get", *OPTIONS, "--simulate", "install", "--no-install-recommends", *packages]
    removed = REMOVAL.findall(run(command, check=False, timeout=TIMEOUT_SECONDS).stdout)
    if removed:
        remedies = dict.fromkeys(REMEDIES[name] for name in removed if name in REMEDIES)
        remedy = "; ".join(remedies) or f"if you can do without, run `apt-get remove {' '.join(removed)}` on the host"
        raise RefusedError(
            f"apt-get would remove {' and '.join(removed)} to install {' and '.join(packages)}; {remedy}; then run "
            "`pulumi up` again"
        )


def _refuse_other_nginx() -> None:
    """Refuses a host on which an nginx runs that is not the distribution's."""
    for listener in all_listeners():
        if listener.program in NGINX and listener.container == "" and listener.pid is not None:
            file = os.path.realpath(f"/proc/{listener.pid}/exe")
            raise RefusedError(
                f"another {listener.program} runs on this host ({file}, on port {listener.port}), and the "
                "distribution's, which this program would install, would want its ports; replace it with the "
                "distribution's (`apt-get install nginx`) or run it in a container; then run `pulumi up` again"
            )


def install(packages: Sequence[str]) -> None:
    """Installs packages but holds the services that listen: none may before the firewall is in force.

    Removes no package for them. Call `start_held` afterwards. Raises HostError when apt-get cannot install them.
    """
    changes.note("packages")
    held = [f"{package}.service" for package in packages if package in LISTENING]
    if held:
        run(["systemctl", "mask", "--runtime", *held])
    try:
        run(["apt-get", *OPTIONS, *INSTALL, *packages], timeout=TIMEOUT_SECONDS)
    except HostError as error:
        if held:
            run(["systemctl", "unmask", "--runtime", *held])
        names = " ".join(packages)
        raise HostError(
            f"cannot install {names}: {error}; run `apt-get update && apt-get install {names}` on the host to see why"
        ) from None


def start_held() -> None:
    """Starts the services that `install` held back, now and at every boot."""
    for service in (f"{package}.service" for package in LISTENING):
        if (MASKS / service).is_symlink():
            if service == "nginx.service":
                default_site.put_aside()
            run(["systemctl", "unmask", "--runtime", service])
            # The package could not enable its service while it was masked.
            run(["systemctl", "enable", service])
            # Not checked here: the step that needs the service reports what is wrong with it.
            run(["systemctl", "start", service], check=False)


def _lists_time() -> float:
    """When apt-get last fetched its lists, in seconds since the epoch; 0 if it has none."""
    return max((file.stat().st_mtime for file in LISTS.glob("*_Packages*")), default=0.0)
