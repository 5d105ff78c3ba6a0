"""Entry point of the installed copy, as systemd starts it: /usr/bin/python3 -I -B FOLDER STEP."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agent.display import displayable
from agent.errors import HostError
from agent.firewall import confirmation, record, refresh
from agent.main import load_step, main


def request_for(step: str) -> Mapping[str, Any]:
    """Collects a step's input before it takes the lock, so that no other step waits meanwhile."""
    if step == "firewall-undo":
        armed = record.read_armed()
        time.sleep(0 if armed is None else confirmation.seconds_left(armed))
    return {"payload": refresh.fetch_payload()} if step == "firewall-refresh" else {}


def run(step: str) -> int:
    """Runs one step; returns the exit status."""
    try:
        # Import before waiting: a newer agent may replace the files on disk meanwhile.
        load_step(step)
        return main(step, request_for(step))
    except HostError as error:
        print(f"immich-access: {displayable(str(error))}", file=sys.stderr)
        return 1


sys.exit(run(sys.argv[1]))
