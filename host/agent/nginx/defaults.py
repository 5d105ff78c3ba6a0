"""Finds servers in nginx's configuration that are not ours."""

from agent.nginx.configuration import Directive, http_block, servers

FAMILIES = {"443": "", "*:443": "", "0.0.0.0:443": "", "[::]:443": "[::]:"}


def foreign_sites(dump: str, name: str) -> list[str]:
    """The files, except ours, with a server for a host name. nginx uses only the first of two servers for one name."""
    found = [
        server_name.file
        for server in _foreign_servers(dump)
        for server_name in server.all("server_name")
        if name in server_name.arguments
    ]
    return list(dict.fromkeys(found))


def foreign_defaults(dump: str) -> dict[str, str]:
    """The files with a default server for port 443 that is not ours, by family as in `listen`.

    `dump` is what `nginx -T` prints. nginx does not start with two default servers for one address, so theirs stays
    and ours is left out.
    """
    return {
        FAMILIES[address]: listen.file
        for server in _foreign_servers(dump)
        for listen in server.all("listen")
        for address, *options in [listen.arguments]
        if address in FAMILIES and {"default_server", "default"} & {*options}
    }


def _foreign_servers(dump: str) -> list[Directive]:
    return [server for server in servers(http_block(dump)) if not server.is_ours]
