"""Finds servers in nginx's configuration that are not ours."""

import re

from agent.nginx.layout import PREFIX

FILE = re.compile(r"^# configuration file (.+):$")
DEFAULT = re.compile(r"\s*listen\s+(?P<address>\S+)\s(?:.*\s)?default(?:_server)?\b", re.DOTALL)
FAMILIES = {"443": "", "*:443": "", "0.0.0.0:443": "", "[::]:443": "[::]:"}


def configuration_files(dump: str) -> dict[str, str]:
    """The files in what `nginx -T` prints, without their comments."""
    texts: dict[str, str] = {}
    file = ""
    for line in dump.splitlines():
        if header := FILE.match(line):
            file = header[1]
        else:
            texts[file] = texts.get(file, "") + line.partition("#")[0] + "\n"
    return texts


def foreign_sites(dump: str, name: str) -> list[str]:
    """The files, except ours, with a server for a host name. nginx uses only the first of two servers for one name."""
    return [
        file
        for file, text in configuration_files(dump).items()
        if f"/{PREFIX}" not in file
        and any(name in names.split() for names in re.findall(r"\bserver_name\s([^;]*);", text))
    ]


def foreign_defaults(dump: str) -> dict[str, str]:
    """The files with a default server for port 443 that is not ours, by family as in `listen`.

    `dump` is what `nginx -T` prints. nginx does not start with two default servers for one address, so theirs stays
    and ours is left out.
    """
    found: dict[str, str] = {}
    for file, text in configuration_files(dump).items():
        for directive in re.split("[;{}]", text):
            listen = DEFAULT.match(directive)
            if listen and listen["address"] in FAMILIES and f"/{PREFIX}" not in file:
                found[FAMILIES[listen["address"]]] = file
    return found
