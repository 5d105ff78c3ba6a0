"""Finds out whether Docker publishes a site's upstream past the firewall."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.errors import RefusedError
from agent.firewall import docker_user
from agent.firewall.request import DROP, Serves
from agent.listeners.publications import ANYWHERE, Publication, published_ports
from agent.listeners.sockets import DOCKER_PROXY, Listener, listeners
from agent.site import IMMICH, SHARES

# By what a site serves: the upstream's name, and its service in the official compose file.
UPSTREAMS: Mapping[Serves, tuple[str, str]] = {
    IMMICH: ("Immich", "immich-server"),
    SHARES: ("immich-public-proxy", "immich-public-proxy"),
}


class PublicationProblem(NamedTuple):
    """How Docker lets strangers reach a site's upstream past nginx."""

    problem: str
    # What to do on the host, as the first words of a sentence
    remedy: str


def refuse_published(serves: Serves, port: int, dropped: Collection[int]) -> None:
    """Raises RefusedError when Docker lets everyone reach a site's upstream, which never passes ufw's rules.

    A port closed by our DOCKER-USER rule is fine, provided packets traverse that chain.
    """
    found = publication_problem(serves, port, dropped)
    if found is not None:
        raise RefusedError(f"{found.problem}; {found.remedy}; then run `pulumi up` again")
    published = [item for item in published_ports() if item.protocol == "tcp"]
    for version in sorted({item.version for item in published if item.port in dropped and not item.is_local}):
        docker_user.refuse_unhooked(version)


def publication_problem(serves: Serves, port: int, dropped: Collection[int]) -> PublicationProblem | None:
    """How Docker publishes a site's upstream to everyone, or None. Our rules close the `dropped` ports."""
    published = [item for item in published_ports() if item.protocol == "tcp"]
    listening = listeners()
    found = find_exposure(published, listening, port, dropped)
    if found is None:
        return None
    closable = find_exposure(published, listening, port, [port]) is None
    what, service = UPSTREAMS[serves]
    return PublicationProblem(
        f"Docker publishes {what} on port {found.port} to everyone, past the firewall",
        f'write "127.0.0.1:{port}:{found.target_port}" under `ports:` of {service} in docker-compose.yml '
        f"and run `docker compose up -d` there{f', or set dockerPublishedPort to {DROP}' if closable else ''}",
    )


def find_exposure(
    published: Sequence[Publication], listening: Sequence[Listener], upstream_port: int, dropped: Collection[int] = ()
) -> Publication | None:
    """The first publication through which strangers reach the container behind `upstream_port`, or None.

    A rule in DOCKER-USER closes each of the `dropped` ports that Docker forwards by DNAT in iptables. With another
    way of forwarding, such as its nftables backend, that chain does not exist.
    """
    containers = {item.endpoint for item in published if item.port == upstream_port}
    for item in published:
        if item.endpoint in containers and not item.is_local and item.port not in dropped:
            return item
    passed_on = any(item.port == upstream_port and not item.is_local for item in published)
    closed = upstream_port in dropped and passed_on
    for listener in listening:
        proxied = listener.port == upstream_port and DOCKER_PROXY in listener.programs
        if proxied and listener.is_everywhere and not closed:
            return Publication(ANYWHERE[4], upstream_port, "", upstream_port)
    return None
