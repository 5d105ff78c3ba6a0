"""Tries ways into a host from one place in the networks, by frames of its own, and tells which of them answered.

    python3 watch.py once WAYS     some 30 tries within a second
    python3 watch.py watch WAYS    one every 2 ms, until standard input ends; says "ready" after the first

WAYS is JSON: [{"name", "device", "mac", "source", "address", "port", "every"}, ...]. Each try is a SYN to `address`:`port`
that leaves `device` for the hardware address `mac`, whatever the routes of this place say: that is how a neighbour
reaches for a container or for 127.0.0.1. `every` is the number of rounds from one try to the next. An answer is a
SYN-ACK. The last line is JSON: {"rounds", "gap", "answers": {NAME: {"count", "at", "until"}}}, times in milliseconds
since 1970, the longest time between two rounds in milliseconds.
"""

import ctypes
import ipaddress
import json
import os
import random
import select
import socket
import struct
import sys
import time

ROUND = 0.002
ONCE_ROUNDS, ONCE_ROUND, ONCE_WAIT = 30, 0.02, 0.4
SO_ATTACH_FILTER = 26
SYN_ACK, SYN_ACK_RST = 0x12, 0x16
FIRST_PORT, PORTS = 20_000, 40_000
# A try's number times this is its sequence number, so that an answer tells which try it is for.
STEP = 64_007
NUMBERS = 1 << 32
BACK = pow(STEP, -1, NUMBERS)
HEADER = {4: 14 + 20, 6: 14 + 40}

# Lets only SYN-ACKs through (linux/filter.h): code, jump if true, jump if false, operand.
FILTER = [
    (0x28, 0, 0, 12),  # half-word: EtherType
    (0x15, 0, 4, 0x0800),
    (0x30, 0, 0, 23),  # byte: protocol of IPv4
    (0x15, 0, 8, 6),
    (0x30, 0, 0, 14 + 20 + 13),  # byte: flags of TCP after a header without options
    (0x05, 0, 0, 4),
    (0x15, 0, 5, 0x86DD),
    (0x30, 0, 0, 20),  # byte: next header of IPv6
    (0x15, 0, 3, 6),
    (0x30, 0, 0, 14 + 40 + 13),
    (0x54, 0, 0, SYN_ACK_RST),
    (0x15, 1, 0, SYN_ACK),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFF),
]


def ones_sum(data: bytes) -> int:
    """Sum of the 16-bit words, not folded."""
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def folded(total: int) -> int:
    """Checksum of the Internet, from a sum."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Way:
    """One way, and what has come of it."""

    def __init__(self, name: str, device: str, mac: str, source: str, address: str, port: int, every: int = 1) -> None:
        self.name, self.device, self.port, self.every = name, device, port, every
        self.mac = bytes.fromhex(mac.replace(":", ""))
        far, near = ipaddress.ip_address(address), ipaddress.ip_address(source)
        self.version = far.version
        self.far, self.near = far.packed, near.packed
        self.count, self.at, self.until = 0, 0, 0
        # The tries that were answered. A SYN-ACK that nobody acknowledges comes again and again.
        self.answered: set[int] = set()
        # Everything but the ports and the sequence number of the prober's side, which differ from try to try.
        pseudo = self.near + self.far + struct.pack("!HH", 6, 20)
        self.sum = ones_sum(pseudo) + port + 0x5002 + 0xFFFF

    def header(self, own: bytes) -> bytes:
        """Ethernet's and IP's headers of a try from a hardware address."""
        if self.version == 6:
            return self.mac + own + struct.pack("!HIHBB", 0x86DD, 0x60000000, 20, 6, 64) + self.near + self.far
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + self.near + self.far
        ip = ip[:10] + struct.pack("!H", folded(ones_sum(ip))) + ip[12:]
        return self.mac + own + struct.pack("!H", 0x0800) + ip

    def segment(self, near_port: int, sequence: int) -> bytes:
        """The SYN."""
        checksum = folded(self.sum + near_port + (sequence >> 16) + (sequence & 0xFFFF))
        return struct.pack("!HHIIHHHH", near_port, self.port, sequence, 0, 0x5002, 0xFFFF, checksum, 0)


    def note(self, number: int) -> None:
        """Notes an answer to the try of this number."""
        if number not in self.answered:
            self.answered.add(number)
            self.count += 1
            self.until = time.time_ns() // 1_000_000
            self.at = self.at or self.until


class Device:
    """One network interface, which may be gone for a while: a host that boots takes its cables along."""

    def __init__(self, name: str, ways: list[Way]) -> None:
        self.name, self.ways = name, ways
        self.sender: socket.socket | None = None
        self.receiver: socket.socket | None = None
        self.headers: list[bytes] = []
        self.by_answer = {(way.far, way.port): way for way in ways}

    def open(self) -> bool:
        """Whether it is there."""
        if self.sender is not None:
            return True
        try:
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sender.bind((self.name, 0))
            # Packets for every protocol come in only once the filter is in place.
            receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            code = b"".join(struct.pack("HBBI", *line) for line in FILTER)
            self.program = ctypes.create_string_buffer(code)
            fprog = struct.pack("HL", len(FILTER), ctypes.addressof(self.program))
            receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
            receiver.bind((self.name, 3))  # ETH_P_ALL
            receiver.setblocking(False)
        except OSError:
            return False
        own = sender.getsockname()[4]
        self.headers = [way.header(own) for way in self.ways]
        self.sender, self.receiver = sender, receiver
        return True

    def close(self) -> None:
        """Lets go of it."""
        for one in (self.sender, self.receiver):
            if one is not None:
                one.close()
        self.sender = self.receiver = None

    def send(self, number: int) -> None:
        """Tries each way that is due in this round."""
        if not self.open() or self.sender is None:
            return
        near_port = FIRST_PORT + number % PORTS
        sequence = number * STEP % NUMBERS
        try:
            for header, way in zip(self.headers, self.ways, strict=True):
                if number % way.every == 0:
                    self.sender.send(header + way.segment(near_port, sequence))
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def receive(self, tried: range) -> None:
        """Notes the answers that have come to tries of these numbers: those to an earlier prober are none."""
        while self.receiver is not None:
            try:
                frame, source = self.receiver.recvfrom(256)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            if source[2] == socket.PACKET_OUTGOING:
                continue
            version = frame[14] >> 4
            start = HEADER[version]
            far = frame[26:30] if version == 4 else frame[22:38]
            way = self.by_answer.get((far, struct.unpack_from("!H", frame, start)[0]))
            number = (struct.unpack_from("!I", frame, start + 8)[0] - 1) * BACK % NUMBERS
            if way is not None and number in tried:
                way.note(number)


def main() -> None:
    """Tries, and tells."""
    mode, ways = sys.argv[1], [Way(**way) for way in json.loads(sys.argv[2])]
    devices = [
        Device(name, [way for way in ways if way.device == name]) for name in sorted({way.device for way in ways})
    ]
    number, gap, last = 0, 0.0, time.monotonic()
    pause = ONCE_ROUND if mode == "once" else ROUND
    first = random.randrange(NUMBERS // 2)
    going = True
    while going:
        begun = time.monotonic()
        gap, last = max(gap, begun - last), begun
        for device in devices:
            device.send(first + number)
            device.receive(range(first, first + number + 1))
        if number == 0:
            print("ready", flush=True)
        number += 1
        left = max(0.0, pause - (time.monotonic() - begun))
        if mode == "once":
            time.sleep(left)
            going = number < ONCE_ROUNDS
        else:
            going = not (select.select([0], [], [], left)[0] and not os.read(0, 1))
    time.sleep(ONCE_WAIT)
    for device in devices:
        device.receive(range(first, first + number))
    answers = {way.name: {"count": way.count, "at": way.at, "until": way.until} for way in ways if way.count}
    print(json.dumps({"rounds": number, "gap": round(1000 * gap), "answers": answers}))


main()
