"""The verifier and the key refresh, as systemd starts them: /usr/bin/python3 -I -B FOLDER verify|refresh."""

import sys
from pathlib import Path

# Replaces this folder in the path: its files are part of the package `agent`.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from agent.access import refresh, verifier  # noqa: E402
from agent.display import displayable  # noqa: E402
from agent.errors import HostError  # noqa: E402

try:
    if sys.argv[1] == "verify":
        verifier.run()
    else:
        print(refresh.run())
except HostError as error:
    print(f"immich-access: {displayable(str(error))}", file=sys.stderr)
    sys.exit(1)
