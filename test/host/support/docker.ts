// A fake Docker for test hosts: a unit docker.service that does to the network what dockerd does
// when it starts a container with `ports: ["2283:2283"]`.

import { dirname } from "node:path";
import type { TestHost } from "../../support/host.ts";

/** The container answers on this address and port. */
export const CONTAINER = { ipv4: "172.18.0.2:2283", ipv6: "[fd00:18::2]:2283" };

const PROXY = `#!/usr/bin/python3
import http.server, socket, sys
class Immich(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"pong")
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
Server(("::", 2283), Immich).serve_forever()
`;

// The rules are those of Docker 20 to 27, with the names of chains that all versions share. DOCKER-USER comes last and
// so first; it is made only if it is missing, and what is in it stays.
const DOCKERD = `#!/bin/sh
set -e
ip link del br-1 2>/dev/null || true
ip netns del immich 2>/dev/null || true
ip netns add immich
ip link add br-1 type bridge
ip link add veth-1 master br-1 type veth peer name eth0 netns immich
ip link set veth-1 up
ip addr add 172.18.0.1/16 dev br-1
ip addr add fd00:18::1/64 dev br-1 nodad
ip link set br-1 up
ip -n immich addr add 172.18.0.2/16 dev eth0
ip -n immich addr add fd00:18::2/64 dev eth0 nodad
ip -n immich link set eth0 up
ip -n immich route add default via 172.18.0.1
ip -n immich route add default via fd00:18::1
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
publish() {
  for rule in "nat PREROUTING -m addrtype --dst-type LOCAL" "nat OUTPUT ! -d $2 -m addrtype --dst-type LOCAL"; do
    $1 -w -t \${rule%% *} -D \${rule#* } -j DOCKER 2>/dev/null || true
  done
  for table in nat filter; do $1 -w -t $table -N DOCKER 2>/dev/null || $1 -w -t $table -F DOCKER; done
  $1 -w -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
  $1 -w -t nat -A OUTPUT ! -d $2 -m addrtype --dst-type LOCAL -j DOCKER
  $1 -w -t nat -A DOCKER ! -i br-1 -p tcp -m tcp --dport 2283 -j DNAT --to-destination $4
  $1 -w -A DOCKER -d $3 ! -i br-1 -o br-1 -p tcp -m tcp --dport 2283 -j ACCEPT
  for rule in "-i br-1 -j ACCEPT" "-o br-1 -j DOCKER" "-o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" "-j DOCKER-USER"; do
    [ "$rule" != "-j DOCKER-USER" ] || $1 -w -N DOCKER-USER 2>/dev/null || true
    $1 -w -D FORWARD $rule 2>/dev/null || true
    $1 -w -I FORWARD $rule
  done
}
publish iptables 127.0.0.0/8 172.18.0.2 ${CONTAINER.ipv4}
publish ip6tables ::1 fd00:18::2 ${CONTAINER.ipv6}
ip netns exec immich /usr/local/bin/docker-proxy </dev/null >/dev/null 2>&1 &
/usr/local/bin/docker-proxy </dev/null >/dev/null 2>&1 &
until ip netns exec immich ss -Hltn sport = 2283 | grep -q . && ss -Hltn sport = 2283 | grep -q .; do sleep 0.05; done
`;

const UNIT = `[Unit]
After=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/dockerd
[Install]
WantedBy=multi-user.target
`;

/** Installs it and starts it, now and at every boot. */
export async function installDocker(host: TestHost): Promise<void> {
  const files = { "/usr/local/bin/docker-proxy": PROXY, "/usr/local/sbin/dockerd": DOCKERD };
  for (const [path, text] of Object.entries(files)) {
    await host.inside(`mkdir -p ${dirname(path)} && cat >${path} && chmod 755 ${path}`, { input: text });
  }
  await host.inside("cat >/etc/systemd/system/docker.service", { input: UNIT });
  const { code, stderr } = await host.inside("systemctl daemon-reload && systemctl enable --now docker");
  if (code !== 0) throw new Error(stderr);
}
