"""What ufw was before this program turned it on or changed its defaults, and what a removal gives back of that."""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from agent.files import File, read
from agent.firewall import kernel, record
from agent.firewall.bypass import FRAMES
from agent.firewall.plan import foreign_rules
from agent.firewall.record_fields import Original
from agent.firewall.ufw import CONFIGURATION, DEFAULTS, USER_RULES, Files, Setting, current, value
from agent.system import is_installed, run

# The settings of ufw that the program changes, besides ENABLED.
SETTINGS = ("IPV6", "DEFAULT_INPUT_POLICY", "DEFAULT_FORWARD_POLICY")


class Return(NamedTuple):
    """What a removal does about ufw besides removing our rules."""

    settings: Sequence[Setting]
    # Whether ufw is on afterwards
    stays_on: bool
    # Why it is, or what else is not as it was; for people
    stays: Sequence[str]


def original_with(former: Files, wanted: Files) -> Original | None:
    """What is to be recorded of ufw before a change; None if the change leaves its settings alone."""
    known = record.read_original()
    turns_on = not is_on(former) and is_on(wanted)
    changed = {name: text for name in SETTINGS if (text := _raw(former, name)) != _raw(wanted, name)}
    if not turns_on and not changed:
        return known
    if known is None or turns_on:
        # Whoever has turned ufw off meanwhile has begun anew.
        return Original(turns_on, _starts_at_boot(), changed, fingerprint(wanted), kernel.policies())
    return known._replace(settings={**changed, **known.settings})


def returned() -> Return:
    """What to give back, by the record."""
    original = record.read_original()
    files = current()
    if original is None or not is_on(files):
        # An earlier version of this program made no record, or its owner has turned ufw off.
        return Return([], is_on(files), ["ufw stays on"] if is_on(files) else [])
    settings = [Setting(DEFAULTS, name, text) for name, text in original.settings.items() if text is not None]
    if not original.turned_on:
        return Return(settings, True, ["ufw stays on, as it was before"])
    if original.fingerprint == fingerprint(files):
        return Return([Setting(CONFIGURATION, "ENABLED", "no"), *settings], False, [])
    return Return([], True, ["ufw stays on, because its rules or files have been changed by others since"])


def fingerprint(files: Files) -> str:
    """A hash of what the owner has in ufw's files: rules, frames and defaults; not of what is ours."""
    parts = [foreign_rules(files, path) for path in USER_RULES.values()]
    defaults = [_text(files[DEFAULTS]), _text(files[CONFIGURATION])]
    frames = [_text(read(path)) for paths in FRAMES.values() for path in paths]
    return hashlib.sha256(repr((parts, defaults, frames)).encode()).hexdigest()


def restore_boot(original: Original | None) -> None:
    """Has ufw's unit start at boot no more if it did not before."""
    if original is not None and not original.starts_at_boot and is_installed("ufw"):
        run(["systemctl", "disable", "ufw.service"], check=False)


def is_on(files: Files) -> bool:
    """Whether ufw is on by its files."""
    return value(files, CONFIGURATION, "ENABLED") == "yes"


def _starts_at_boot() -> bool:
    return run(["systemctl", "is-enabled", "--quiet", "ufw.service"], check=False).returncode == 0


def _raw(files: Files, name: str) -> str | None:
    """A setting of ufw's defaults as its file has it; None if it is missing."""
    found = re.findall(rf"^{name}=(.*)$", _text(files[DEFAULTS]), re.MULTILINE)
    return found[-1] if found else None


def _text(file: File | None) -> str:
    return "" if file is None else file.content.decode(errors="surrogateescape")
