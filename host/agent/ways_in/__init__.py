"""Finds the ways to Immich that lead past our guarded server.

Every listener and every publication of the host that strangers or Cloudflare's addresses can reach (`reach`) is asked
for Immich (`ask`) under the names that its program serves (`names`), the sites' names, an unknown name and none; and
every server in nginx's configuration that passes requests to Immich is found there (`nginx_servers`), because it may
ask for a certificate or a password that the host does not have. `find` does both, and is what the survey, the steps of
`pulumi up`, the daily refresh and the doctor call.
"""
