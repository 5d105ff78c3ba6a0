"""Prints what an nginx takes in its http block: the names in the command tables of its program and modules.

nginx_directives.py FILE... -- each FILE is an ELF program or a module for 64 bits. A table is an array of ngx_command_t
(nginx's src/core/ngx_conf_file.h): the name's length and address, the contexts, a function, and three more words.
"""

import re
import struct
import sys
from pathlib import Path

# Of ngx_command_t.type: the context http{}
HTTP = 0x02000000
# Their tables use the same bit for mail{}, stream{} and rtmp{}.
OTHERS = re.compile("ngx_(mail|stream|rtmp)")
# Of events{}, whose context has the same bit
EVENTS = {
    "accept_mutex", "accept_mutex_delay", "debug_connection", "epoll_events", "multi_accept", "use",
    "worker_aio_requests", "worker_connections",
}  # fmt: skip
RELATIVE = {62: 8, 183: 1027}  # R_X86_64_RELATIVE, R_AARCH64_RELATIVE
LOADED, RELA = 1, 4


def directives(path: Path) -> set[str]:
    """The names in the tables of one file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no ELF file for 64 bits")
    machine, programs, sections = struct.unpack_from("<18xH12xQQ", data)
    program_size, program_count, section_size, section_count = struct.unpack_from("<HHHH", data, 54)
    loaded: list[tuple[int, int, int]] = []
    for number in range(program_count):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, programs + number * program_size)
        if kind == LOADED:
            loaded.append((address, offset, size))

    def place(address: int) -> int | None:
        return next((offset + address - start for start, offset, size in loaded if start <= address < start + size), None)

    pointers: dict[int, int] = {}
    # A module's function may be nginx's own, whose address is known only when it is loaded.
    relocated: set[int] = set()
    for number in range(section_count):
        kind, _, _, offset, size = struct.unpack_from("<4xIQQQQ", data, sections + number * section_size)
        if kind == RELA:
            for at in range(offset, offset + size, 24):
                address, info, target = struct.unpack_from("<QQq", data, at)
                relocated.add(address)
                if info & 0xFFFFFFFF == RELATIVE[machine]:
                    pointers[address] = target

    found: set[str] = set()
    for address, target in pointers.items():
        entry, name = place(address - 8), place(target)
        # The third word is the contexts, and the fourth the address of a function.
        if entry is None or name is None or address + 16 not in relocated:
            continue
        length, _, contexts = struct.unpack_from("<QQQ", data, entry)
        text = data[name : name + min(length, 80)]
        if contexts & HTTP and contexts < 1 << 32 and len(text) == length and re.fullmatch(rb"[a-z]\w+", text):
            found.add(text.decode())
    return found - EVENTS


if __name__ == "__main__":
    files = [Path(name) for name in sys.argv[1:] if not OTHERS.search(name)]
    print("\n".join(sorted(set().union(*map(directives, files)))))
