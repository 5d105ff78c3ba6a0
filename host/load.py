"""Finds the agent and starts it: the one in the request, or one that the firewall step has installed.

launch.sh executes it with the request in `r`. `archive` holds the agent's files by their names below host/, as JSON
compressed and encoded in Base64, and `version` is the archive's. A request without an archive names the version to
run; one without a version, which deletes something, is for the version that was installed last.
"""

import base64
import json
import os
import sys
import zlib
from typing import Any, NoReturn

FOLDER = "/usr/local/lib/immich-access"
# What a host has for as long as something of this program is on it
TRACES = (FOLDER, "/var/lib/immich-access", "/etc/immich-access", "/etc/nginx/immich-access")


def load(request: dict[str, Any]) -> None:
    """Adds the agent's files to the request as `modules`, and its version where the request names none."""
    try:
        if "version" not in request:
            request["version"] = _read("version")
        archive = request.get("archive") or _read(f"agents/{request['version']}")
        request["modules"] = json.loads(zlib.decompress(base64.b64decode(archive)))
    except FileNotFoundError as error:
        if "version" not in request and not any(map(os.path.exists, TRACES)):
            print("immich-access: nothing of this program is on this host", file=sys.stderr)
            sys.exit(0)
        _end(f"{error.filename} is missing", request)
    except (OSError, ValueError, zlib.error):
        _end(f"{FOLDER}/agents/{request['version']} is damaged", request)


def _end(problem: str, request: dict[str, Any]) -> NoReturn:
    again = f"pulumi config set hostRevision {request['revision'] + 1} && pulumi up"
    sys.exit(f"immich-access: {problem}; have the firewall step install it again: {again}")


def _read(name: str) -> str:
    with open(f"{FOLDER}/{name}") as file:  # noqa: PTH123 - pathlib takes longer to import than this file to run
        return file.read()


load(globals()["r"])
exec(globals()["r"]["modules"]["agent/bootstrap.py"], {"request": globals()["r"]})
