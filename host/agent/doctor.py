"""The step `doctor`: examines everything that this program manages on a host. It is read-only.

Its answer has `checks` of the host with their results, `facts` that only the caller can judge, and under `sites` the
same for each site by name.
"""

import calendar
import fcntl
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import answer
from agent.access import client, installation as access
from agent.errors import HostError
from agent.files import files_to_change
from agent.firewall import installation, kernel, record, status, ufw
from agent.firewall.ahead import find_obstacles
from agent.firewall.confirmation import plan_for
from agent.firewall.guard import steps as guard
from agent.firewall.request import Request, parse_needs, request_for, served_ports
from agent.listeners.addresses import outside_addresses, outside_interfaces
from agent.lock import LOCK
from agent.nginx import service, steps as nginx
from agent.nginx.layout import RANGES
from agent.port_holder import find_holder
from agent.ranges import Ranges
from agent.site_doctor import SiteExamination, read_text
from agent.system import last_line, run
from agent.task import Answer, Task
from agent.ways_in.look import look_now
from agent.ways_in.upstreams import Upstream

if TYPE_CHECKING:
    from agent.payloads import DoctorPayload

REFRESH = "immich-access-ranges.service"
# systemd's own record of when a persistent timer ran last.
STAMP = Path("/var/lib/systemd/timers") / f"stamp-{installation.TIMER}"
# The timer is due every day, at a random time within six hours.
OVERDUE_SECONDS = 48 * 3600


def examine(task: Task) -> Answer:
    """Runs every check.

    A check is `ok` or `wrong`; `unknown` means that it could not run.
    """
    return Answer("", _Examination(task).report())


class _UnknownError(Exception):
    """Why a check could not run."""


class _Examination:
    def __init__(self, task: Task) -> None:
        payload: DoctorPayload = task.payload
        self._modules = task.modules
        self._brought = task.brought
        self._sites = [
            SiteExamination(self._modules, nginx.parse_site(site, site["tokenCheck"], [payload["originPort"]]))
            for site in payload["sites"]
        ]
        self._audiences = {site["hostname"]: site["audience"] for site in payload["sites"]}
        needs = parse_needs(payload, owner=None)
        # Compare with the host's current ranges, which may be newer than the deployment's.
        ranges = record.read_ranges()
        self._request = None if ranges is None else request_for(payload, needs, ranges)
        sites = record.read_sites() if self._request is None else record.sites_with(self._request)
        self._served = served_ports([*sites.values(), *needs.values()])
        self._guard = guard.plan_guard(task.modules, sites)

    def report(self) -> dict[str, object]:
        checks: dict[str, Callable[[], str]] = {
            "firewall": self._firewall,
            "firewall-kernel": self._kernel,
            "firewall-change": self._change,
            "port-guard": self._port_guard,
            "filter": self._filter,
            "port": self._port,
            "ways-in": self._ways_in,
            "nginx": self._nginx,
            "token-check": self._token_check,
            "ranges": self._ranges,
            "timer": self._timer,
            "agent": self._agent,
        }
        made = {name: _run_check(check) for name, check in checks.items()}
        # In parallel, because a site may wait for a service that does not answer. After the host's checks, because one
        # of them switches all threads to another user.
        with ThreadPoolExecutor(len(self._sites)) as pool:
            sites = dict(zip(self._audiences, pool.map(_site_report, self._sites), strict=True))
        return answer.examination(made, sites, self._facts())

    def _facts(self) -> dict[str, object]:
        ranges = None if self._request is None else self._request.ranges
        addresses = outside_addresses(outside_interfaces())
        ports = sorted(self._guard.doors.host_ports)
        return answer.host_facts(time.time(), ranges, _busy(), ports, addresses, last_refresh=status.last())

    def _require_request(self) -> Request:
        if self._request is None:
            raise HostError("the firewall step has never run on this host")
        return self._request

    def _firewall(self) -> str:
        wanted = self._require_request()
        plan = plan_for(wanted)
        if ufw.value(plan.former, ufw.CONFIGURATION, "ENABLED") != "yes":
            raise HostError("ufw is disabled, so it keeps nobody from this host's ports")
        changed = files_to_change(plan.wanted)
        if changed:
            raise HostError(f"{', '.join(str(path) for path in changed)} differ from what was deployed")
        ssh = " and ".join(str(port) for port in plan.ssh.ports)
        ranges = f"{len(wanted.ranges.ipv4)} + {len(wanted.ranges.ipv6)} ranges"
        return f"ufw opens port {_words(self._served)} to {ranges}, and SSH on port {ssh}"

    def _kernel(self) -> str:
        if not kernel.in_force(ufw.current()):
            raise HostError("the kernel's rules are not those in ufw's files")
        return "the kernel has the rules of ufw's files"

    def _change(self) -> str:
        if record.read_armed() is not None:
            raise HostError("the firewall's last change waits for its confirmation and will be undone without it")
        change = record.read_change()
        if change.undone:
            raise HostError("the firewall's last change was undone, because no new SSH connection confirmed it")
        return f"change {change.number} is confirmed"

    def _port_guard(self) -> str:
        guard.require(self._guard)
        doors = self._guard.doors
        if not doors.host_ports:
            return "no port of this host leads to what the sites serve"
        ports = " and ".join(str(port) for port in sorted(doors.host_ports))
        home = sorted({str(network) for network, _ in doors.home})
        *some, last = ["this host", "its containers", *home]
        unused = "" if not home or guard.answers_beyond_loopback(doors) else ", but it answers on loopback alone"
        return f"the table in force closes port {ports} to all but {', '.join(some)} and {last}{unused}"

    def _filter(self) -> str:
        found = find_obstacles(self._require_request().ranges, self._served)
        if found:
            raise HostError("; ".join(f"{one.problem}: {one.remedy}" for one in found))
        return f"no rule ahead of ufw's keeps Cloudflare out of port {_words(self._served)}"

    def _port(self) -> str:
        holder = find_holder(self._served)
        if holder is not None:
            raise HostError(f"{holder.problem}: {holder.remedy}")
        return f"nobody but nginx has port {_words(self._served)}"

    def _ways_in(self) -> str:
        upstreams = [Upstream(one.site.serves, one.site.upstream) for one in self._sites]
        sites = record.read_sites() if self._request is None else record.sites_with(self._request)
        found = look_now(sites, upstreams)
        if found.ways:
            raise HostError("; ".join(f"{way.problem}: {way.remedy}" for way in found.ways))
        if found.unclear:
            raise _UnknownError("; ".join(found.unclear))
        silent = f"; not asked: {', '.join(found.silent)}" if found.silent else ""
        ports = "1 port" if found.asked == 1 else f"{found.asked} ports"
        return f"asked {ports} that others can reach: none leads past nginx's guard{silent}"

    def _nginx(self) -> str:
        service.require()
        complaint = service.find_problem()
        if complaint is not None:
            raise HostError(f"nginx refuses its configuration: {complaint}")
        if not service.is_active():
            raise HostError("nginx does not run")
        if not service.is_enabled():
            raise HostError("nginx does not start at boot")
        if service.is_unfinished():
            raise HostError("nginx may not have loaded the last change of its files")
        return "runs, and is enabled at boot"

    def _token_check(self) -> str:
        names = [one.site.name for one in self._sites if one.site.token_check]
        if not names:
            return "off, by the setting originJwtCheck"
        if service.find_problem() is not None:
            raise _UnknownError("only a configuration that nginx takes tells as whom it asks about tokens")
        user = service.worker_user()
        known = client.sites(user)
        troubles = {name: self._locked_out(known.get(name), name) for name in names}
        told = [text if len(names) == 1 else f"{name}: {text}" for name, text in troubles.items() if text is not None]
        if told:
            raise HostError("; ".join(told))
        changed = files_to_change(access.wanted_files(self._modules, user))
        if changed:
            raise HostError(f"{', '.join(str(path) for path in changed)} differ from what was deployed")
        for unit in access.STARTING:
            if run(["systemctl", "is-active", "--quiet", unit], check=False).returncode != 0:
                raise HostError(f"{unit} does not run")
        if run(["systemctl", "is-failed", "--quiet", access.REFRESH], check=False).returncode == 0:
            raise HostError(f"the last refresh of Access's keys failed: {_last_words(access.REFRESH)}")
        signed = "this site" if len(names) == 1 else "each site"
        return f"the verifier has {known[names[0]]['keys']} keys of Access and the application of {signed}"

    def _locked_out(self, known: Mapping[str, Any] | None, name: str) -> str | None:
        """Why the verifier would reject a site's visitors, judged by its status; None if it admits them."""
        problem = "the site has no Access application yet" if known is None else known.get("problem")
        if known is None or problem is not None:
            return f"the verifier admits nobody: {problem}"
        if self._audiences[name] not in (None, known["audience"]):
            return "the verifier admits another Access application's visitors, and not the stack's"
        return None

    def _ranges(self) -> str:
        recorded = self._require_request().ranges
        if _nginx_ranges() != recorded:
            raise HostError(f"{RANGES} has other ranges than the firewall")
        return (
            f"nginx's file has the {len(recorded.ipv4)} + {len(recorded.ipv6)} ranges that the firewall was given last"
        )

    def _timer(self) -> str:
        for verb, trouble in (("is-enabled", "is not enabled"), ("is-active", "does not run")):
            if run(["systemctl", verb, "--quiet", installation.TIMER], check=False).returncode != 0:
                raise HostError(f"{installation.TIMER} {trouble}")
        if run(["systemctl", "is-failed", "--quiet", REFRESH], check=False).returncode == 0:
            raise HostError(f"the last refresh failed: {_last_words(REFRESH)}")
        since = time.time() - STAMP.stat().st_mtime
        if since > OVERDUE_SECONDS:
            raise HostError(f"the last refresh was {int(since / 86400)} days ago")
        last = status.last()
        if last is None:
            return f"enabled, started last {int(since / 3600)} h ago, and has not told yet what it found"
        if not last["ok"]:
            raise HostError(f"the last refresh, which ended on {last['time']}, failed: journalctl -u {REFRESH}")
        ended = time.time() - calendar.timegm(time.strptime(last["time"], "%Y-%m-%dT%H:%M:%SZ"))
        if ended > OVERDUE_SECONDS:
            raise HostError(f"the last refresh that told what it found ended on {last['time']}")
        return f"enabled, and ended last {int(ended / 3600)} h ago"

    def _agent(self) -> str:
        changed = files_to_change(installation.wanted_files(self._modules, self._brought))
        if changed:
            raise HostError(f"{len(changed)} files of {installation.FOLDER} or its units differ from this checkout")
        return "the installed agent and its units are this checkout's"


def _site_report(examination: SiteExamination) -> dict[str, object]:
    made = {name: _run_check(check) for name, check in examination.checks().items()}
    return answer.examined_site(made, examination.facts())


def _run_check(check: Callable[[], str]) -> dict[str, str]:
    """Runs one check and reports its result."""
    try:
        return answer.check("ok", check())
    except HostError as error:
        return answer.check("wrong", str(error))
    except (OSError, _UnknownError) as error:
        return answer.check("unknown", str(error))


def _words(ports: Collection[int]) -> str:
    return " and ".join(str(port) for port in ports)


def _last_words(unit: str) -> str:
    """The last line that a unit's program logged."""
    return last_line(run(["journalctl", "-q", "-u", unit, "-o", "cat", "-n", "20", "-t", "python3"], check=False))


def _nginx_ranges() -> Ranges:
    """The ranges in the file that our sites include, in its order."""
    found = re.findall(r"^set_real_ip_from (\S+);$", read_text(RANGES) or "", re.MULTILINE)
    return Ranges([one for one in found if ":" not in one], [one for one in found if ":" in one])


def _busy() -> str | None:
    """The step that holds the lock right now."""
    if not LOCK.exists():
        return None
    descriptor = os.open(LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode(errors="replace") or "a step"
    finally:
        os.close(descriptor)
    return None
