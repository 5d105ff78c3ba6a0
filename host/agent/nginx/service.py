"""Controls nginx: its version, its configuration test, and reloads that wait for the new workers."""

import ipaddress
import os
import re
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent import changes
from agent.errors import HostError, RefusedError
from agent.listeners.sockets import all_listeners, listeners
from agent.nginx.configuration import http_block
from agent.nginx.layout import OWN, PREFIX
from agent.nginx.listen import IPV6, Endpoint, cannot_reload, read_listens
from agent.nginx.text import Nginx
from agent.system import first_line, is_installed, last_line, run

# Marks files that nginx may not have loaded yet. It is in /run because a boot loads the files.
UNFINISHED = Path("/run/immich-access-nginx")
ERROR_LOG = Path("/var/log/nginx/error.log")
# Seconds to wait for new workers on a busy host, and seconds to wait after an error such as a port in use.
PATIENCE = 15.0
PATIENCE_AFTER_ERROR = 3.0


def require() -> None:
    """Raises HostError where nginx is not installed."""
    if not is_installed("nginx"):
        raise RefusedError("nginx is not installed; the firewall step installs it")


def capabilities() -> Nginx:
    """The capabilities of this host's nginx."""
    said = run(["nginx", "-v"]).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", said)
    if found is None:
        raise RefusedError(f"`nginx -v` does not tell the version but {said.strip()!r}")
    build = re.findall(r" --((?:with|without)-\w+)", run(["nginx", "-V"]).stderr)
    version = tuple(int(part) for part in found.groups())
    return Nginx(version, Path("/proc/net/if_inet6").exists(), frozenset(build))


def is_built_with(module: str) -> bool:
    """Whether nginx was built with one of its own modules."""
    return f"with-{module}" in capabilities().build


def worker_user() -> str:
    """The user as whom nginx's workers run."""
    found = re.search(r"^\s*user\s+([^\s;]+)", configuration(), re.MULTILINE) or re.search(
        r" --user=(\S+)", run(["nginx", "-V"]).stderr
    )
    return "nobody" if found is None else found[1]


def find_problem() -> str | None:
    """nginx's own message if it refuses the present files, or None."""
    result = run(["nginx", "-t"], check=False)
    if result.returncode == 0:
        return None
    return _serious(result.stderr) or last_line(result)


def refuse_broken(own: Sequence[str]) -> None:
    """Raises HostError if nginx refuses a file that is not ours, before anything changes.

    The step repairs our own files, and those in `own`, the folders of the sites' certificates.
    """
    complaint = find_problem()
    if complaint is not None and not any(part in complaint for part in (*own, str(OWN), f"/{PREFIX}")):
        raise RefusedError(f"nginx refuses its configuration already: {complaint}; repair that first")


@changes.until_changed
def configuration() -> str:
    """nginx's whole configuration, each file below a comment with its name; empty if nginx refuses it."""
    return run(["nginx", "-T"], check=False).stdout


def is_active() -> bool:
    """Whether nginx is running."""
    return run(["systemctl", "is-active", "--quiet", "nginx"], check=False).returncode == 0


def is_enabled() -> bool:
    """Whether nginx starts at boot."""
    return run(["systemctl", "is-enabled", "--quiet", "nginx"], check=False).returncode == 0


def is_unfinished() -> bool:
    """Whether an earlier change may not have reached the running nginx."""
    return UNFINISHED.exists()


@contextmanager
def restored_on_error() -> Generator[None, None, None]:
    """Runs the body, which changes files, loads them and verifies the result.

    If the body rolls its files back and raises, nginx returns to its former state: running with those files, or
    stopped. A HostError then also says so.
    """
    was_active, was_enabled = is_active(), is_enabled()
    UNFINISHED.touch(0o600)
    try:
        yield
    except HostError as error:
        raise HostError(f"{error}; {_restore(was_active, was_enabled)}") from None
    except BaseException:
        _restore(was_active, was_enabled)
        raise
    UNFINISHED.unlink()


def load() -> None:
    """Reloads nginx if it is running; raises HostError if it refuses its files."""
    complaint = find_problem()
    if complaint is not None:
        raise HostError(f"nginx refuses its configuration: {complaint}")
    if is_active():
        _reload()


def load_or_start() -> None:
    """Reloads or starts nginx, and enables it at boot."""
    load()
    if not is_enabled():
        run(["systemctl", "enable", "--quiet", "nginx"])
    if not is_active():
        _start()


def _start() -> None:
    end = _log_end()
    # systemd refuses a unit that started too often, and counts starts that were not ours.
    run(["systemctl", "reset-failed", "nginx"], check=False)
    started = run(["systemctl", "start", "nginx"], check=False)
    if started.returncode != 0:
        raise HostError(f"nginx does not start: {_complaint(end) or first_line(started)}")
    _until(lambda: bool(_workers()), "nginx has started no worker", end)


def _stop() -> None:
    """Stops nginx at once: the unit's own stop would wait for all connections to end, while nothing listens."""
    end = _log_end()
    os.kill(int(master()), signal.SIGTERM)
    _until(lambda: not is_active(), "nginx does not stop", end)


def _bound() -> list[Endpoint]:
    """The sockets on which nginx listens now."""
    own = master()
    all_listeners.cache_clear()
    return [
        Endpoint(IPV6 if one.address == "*" else str(ipaddress.ip_address(one.address)), one.port)
        for one in listeners()
        if str(one.pid) == own
    ]


def _restore(was_active: bool, was_enabled: bool) -> str:
    """Returns nginx to its former files, and describes the result."""
    try:
        if was_active:
            load()
            if not is_active():
                _start()
        elif is_active():
            run(["systemctl", "stop", "nginx"])
        if is_enabled() and not was_enabled:
            run(["systemctl", "disable", "--quiet", "nginx"])
    except HostError as error:
        return f"the former files are back, but nginx does not use them yet: {error}"
    UNFINISHED.unlink()
    return "everything is as before"


def _reload() -> None:
    """Reloads nginx; returns when new workers serve and no old one accepts connections.

    Restarts it instead where it has to bind what its present sockets keep it from. That takes a moment, in which nobody
    is served.
    """
    if cannot_reload(_bound(), [one.endpoint for one in read_listens(http_block(configuration()))]):
        _stop()
        _start()
        return
    old, end = _workers(), _log_end()
    reloaded = run(["systemctl", "reload", "nginx"], check=False)
    if reloaded.returncode != 0:
        raise HostError(f"nginx does not reload: {_complaint(end) or first_line(reloaded)}")

    def taken_over() -> bool:
        workers = _workers()
        return bool(workers - old) and not workers & old

    _until(taken_over, "nginx goes on with its former configuration", end)


def _until(done: Callable[[], bool], failure: str, log_end: int) -> None:
    start = time.monotonic()
    while not done():
        reason = _complaint(log_end)
        if time.monotonic() - start > (PATIENCE if reason is None else PATIENCE_AFTER_ERROR):
            raise HostError(f"{failure}: {reason or f'see {ERROR_LOG}'}")
        time.sleep(0.02)


def _workers() -> set[int]:
    """The workers that accept connections. Those that are shutting down have another title."""
    main = master()
    workers: set[int] = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            title = (folder / "cmdline").read_bytes().rstrip(b"\0 ")
        except OSError:
            # The process has exited meanwhile.
            continue
        if parent == main and title == b"nginx: worker process":
            workers.add(int(folder.name))
    return workers


def master() -> str:
    """The id of nginx's main process; "0" if it does not run."""
    return run(["systemctl", "show", "--property=MainPID", "--value", "nginx"]).stdout.strip()


def _log_end() -> int:
    return ERROR_LOG.stat().st_size if ERROR_LOG.exists() else 0


def _complaint(log_end: int) -> str | None:
    """The first fatal error in nginx's log after `log_end`."""
    if not ERROR_LOG.exists():
        return None
    with ERROR_LOG.open("rb") as log:
        log.seek(log_end)
        return _serious(log.read().decode(errors="replace"))


def _serious(said: str) -> str | None:
    """The first fatal message of nginx."""
    found = re.search(r"\[emerg\] (?:\d+#\d+: )?(.+)", said)
    return None if found is None else found[1].strip()
