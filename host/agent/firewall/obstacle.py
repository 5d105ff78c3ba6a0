"""What turns Cloudflare away from a port before ufw's own rules decide."""

from typing import NamedTuple


class Obstacle(NamedTuple):
    """A rule, or a chain's policy, outside ufw."""

    # For people, such as "the rule `iptables -A INPUT -j REJECT`"
    what: str
    # What to do on the host, as the first words of a sentence
    remedy: str
    port: int

    @property
    def problem(self) -> str:
        """What it does."""
        return f"{self.what} keeps Cloudflare out of port {self.port}, ahead of ufw's rules"
