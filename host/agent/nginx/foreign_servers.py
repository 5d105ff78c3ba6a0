"""Finds servers in nginx's configuration that are not ours."""

from agent.nginx.configuration import http_block, servers


def foreign_sites(dump: str, name: str) -> list[str]:
    """The files, except ours, with a server for a host name. nginx uses only the first of two servers for one name."""
    found = [
        server_name.file
        for server in servers(http_block(dump))
        if not server.is_ours
        for server_name in server.all("server_name")
        if name in server_name.arguments
    ]
    return list(dict.fromkeys(found))
