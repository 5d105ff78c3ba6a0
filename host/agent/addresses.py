"""The addresses of this host."""

import json

from agent.firewall.plan import outside_interfaces
from agent.system import run


def visitor_addresses() -> list[str]:
    """The addresses of this host to which visitors come: its permanent ones on the interfaces to the internet.

    Behind a router these are private ones. A host that has none has its loopback address.
    """
    shown = run(["ip", "-j", "address", "show", "scope", "global"]).stdout
    outside = outside_interfaces()
    found = [
        address["local"]
        for interface in json.loads(shown)
        if interface.get("ifname") in outside
        for address in interface.get("addr_info", [])
        # For an address of another scope `ip` prints an empty object.
        if "local" in address and not address.keys() & {"temporary", "deprecated", "tentative", "dadfailed"}
    ]
    return found or ["127.0.0.1"]
