"""Knocks at a host's ports, from the network namespace in which this runs.

    python3 knock.py once WAYS          tells in JSON, by way, what came of one attempt: "open", "refused" or "silent"
    python3 knock.py watch SHUT OPEN    until standard input ends, then tells on a line each which way of SHUT answered,
                                        and which of OPEN did not

WAYS, SHUT and OPEN are JSON: {NAME: [ADDRESS, PORT], ...}. Time counts from the first packet and not from the start of a
program, and what has arrived while others had the processor counts as well: a busy machine is not taken for a firewall.
"""

import errno
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Mapping

# Within one machine an answer takes less than a millisecond. Linux sends a first packet that got lost anew after 1 s.
BRIEF, SECOND_TRY = 0.3, 3.0
ONCE = 1.0
# Pause between two rounds, so that other processes get the processor.
PAUSE = 0.01

Ways = Mapping[str, tuple[str, int]]


def knock(ways: Ways, seconds: float) -> dict[str, str]:
    """What comes of one attempt on each of the ways, all at the same time."""
    poll = select.poll()
    waiting: dict[int, tuple[str, socket.socket]] = {}
    found = dict.fromkeys(ways, "silent")
    for name, (address, port) in ways.items():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        attempt = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # The handshake's last packet is held back and never sent: no program behind a port learns of the attempt, and
        # sshd does not turn others away because of so many.
        attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        error = attempt.connect_ex((address, port))
        if error == errno.EINPROGRESS:
            poll.register(attempt, select.POLLOUT)
            waiting[attempt.fileno()] = (name, attempt)
        else:
            found[name] = "refused" if error else "open"
            attempt.close()
    deadline = time.monotonic() + seconds
    while waiting:
        # The last look comes after the deadline, however late that is.
        late = time.monotonic() >= deadline
        answered = poll.poll(0 if late else 1000 * max(0.0, deadline - time.monotonic()))
        for descriptor, _ in answered:
            name, attempt = waiting.pop(descriptor)
            poll.unregister(descriptor)
            found[name] = "refused" if attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) else "open"
            attempt.close()
        if late and not answered:
            break
    for _, attempt in waiting.values():
        attempt.close()
    return found


def watch(shut: Ways, expected: Ways) -> None:
    """Knocks again and again."""
    ended = False
    while not ended:
        # Looked at first: whatever happens before standard input ends is followed by one more round.
        ended = bool(select.select([0], [], [], 0)[0]) and not os.read(0, 1)
        found = knock({**shut, **expected}, BRIEF)
        for name in shut:
            if found[name] == "open":
                print(name, "open")
        again = {name: way for name, way in expected.items() if found[name] != "open"}
        for name, answer in knock(again, SECOND_TRY).items():
            if answer != "open":
                print(name, "shut")
        time.sleep(PAUSE)


mode, *arguments = sys.argv[1:]
parsed = [{name: (address, port) for name, (address, port) in json.loads(text).items()} for text in arguments]
if mode == "once":
    print(json.dumps(knock(parsed[0], ONCE)))
else:
    watch(parsed[0], parsed[1])
