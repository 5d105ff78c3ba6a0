// Hosts as people have them at home, each with Immich published by Docker in another way.

import { LAN } from "../../../dev/sandbox/network/network.ts";
import type { TestHost } from "../../support/host.ts";
import type { DaemonOptions } from "./docker.ts";

/** One host that somebody lives on. */
export interface Home {
  name: string;
  /** Code name of its Debian. Default: this machine's. */
  release?: string;
  daemon?: DaemonOptions;
  /** Options of `docker network create` for a network of the containers' own. Default: Docker's own network. */
  network?: string;
  /** How Immich's container is published, as `docker run -p` takes it. */
  publish: readonly string[];
  /** The ports of the host that lead to Immich. Default: 2283. */
  ports?: readonly number[];
  /** Where nginx asks. Default: `127.0.0.1:2283`. */
  upstream?: string;
  /** The owner's networks that may reach Immich past nginx, in CIDR form. Default: none. */
  homeNetworks?: readonly string[];
  /** Whether the owner has ufw on, with SSH and the other container's port open. Default: yes. */
  ufw?: boolean;
  /** What the owner has done to it before Docker has come up. */
  prepare?: (host: TestHost) => Promise<void>;
}

/** The block that ufw-docker's page has people append to after.rules, without its rules for UDP. */
const UFW_DOCKER = `
# BEGIN UFW AND DOCKER
*filter
:ufw-user-forward - [0:0]
:ufw-docker-logging-deny - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j ufw-user-forward

-A DOCKER-USER -j RETURN -s 10.0.0.0/8
-A DOCKER-USER -j RETURN -s 172.16.0.0/12
-A DOCKER-USER -j RETURN -s 192.168.0.0/16

-A DOCKER-USER -j ufw-docker-logging-deny -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d 192.168.0.0/16
-A DOCKER-USER -j ufw-docker-logging-deny -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d 10.0.0.0/8
-A DOCKER-USER -j ufw-docker-logging-deny -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d 172.16.0.0/12

-A DOCKER-USER -j RETURN

-A ufw-docker-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW DOCKER BLOCK] "
-A ufw-docker-logging-deny -j DROP

COMMIT
# END UFW AND DOCKER
`;

/** What tailscaled does to the filter, at every boot: its chains come first, and let in what comes from the tailnet. */
const TAILSCALE = `[Unit]
After=network.target docker.service ufw.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'for tool in iptables ip6tables; do \\
  $tool -w -N ts-input; $tool -w -N ts-forward; \\
  $tool -w -A ts-input -i tailscale+ -j ACCEPT; $tool -w -A ts-input -i lan0 -j ACCEPT; \\
  $tool -w -A ts-forward -i tailscale+ -j ACCEPT; $tool -w -A ts-forward -i lan0 -j ACCEPT; \\
  $tool -w -I INPUT 1 -j ts-input; $tool -w -I FORWARD 1 -j ts-forward; done'
[Install]
WantedBy=multi-user.target
`;

const STOCK = ["2283:2283"];
const SIX = { network: "--ipv6 --subnet fd00:18::/64" };
const IP6TABLES: DaemonOptions = { experimental: true, ip6tables: true };

const append = (path: string, text: string) => async (host: TestHost) => {
  const { code, stderr } = await host.inside(`cat >>${path}`, { input: text });
  if (code !== 0) throw new Error(stderr);
};

/** All of them. Their names are unlike each other, so that each can be chosen by its own. */
export const HOMES: readonly Home[] = [
  { name: "stock", publish: STOCK },
  { name: "stock, ufw off", publish: STOCK, ufw: false },
  { name: "0.0.0.0", publish: ["0.0.0.0:2283:2283"] },
  { name: "[::]", publish: ["[::]:2283:2283"], upstream: "[::1]:2283" },
  { name: "loopback", publish: ["127.0.0.1:2283:2283"] },
  { name: "LAN address", publish: [`${LAN.host.ipv4}:2283:2283`], upstream: `${LAN.host.ipv4}:2283` },
  { name: "another port", publish: ["8080:2283"], ports: [8080], upstream: "127.0.0.1:8080" },
  { name: "a second port", publish: ["2283:2283", "9999:2283"], ports: [2283, 9999] },
  { name: "userland-proxy off", publish: STOCK, daemon: { "userland-proxy": false } },
  { name: "IPv6 network", publish: STOCK, ...SIX },
  { name: "ip6tables", publish: STOCK, ...SIX, daemon: IP6TABLES },
  { name: "ip6tables, userland-proxy off", publish: STOCK, ...SIX, daemon: { ...IP6TABLES, "userland-proxy": false } },
  { name: "iptables off", publish: STOCK, daemon: { iptables: false } },
  { name: "ufw-docker", publish: STOCK, prepare: append("/etc/ufw/after.rules", UFW_DOCKER) },
  {
    name: "Tailscale",
    publish: STOCK,
    prepare: async (host) => {
      await append("/etc/systemd/system/tailscaled.service", TAILSCALE)(host);
      await host.inside("systemctl daemon-reload; systemctl enable -q tailscaled");
    },
  },
  { name: "home network", publish: STOCK, homeNetworks: Object.values(LAN.networks) },
  { name: "Debian 13", release: "trixie", publish: STOCK },
  { name: "Debian 13, ip6tables", release: "trixie", publish: STOCK, ...SIX },
  { name: "Debian 13, loopback", release: "trixie", publish: ["127.0.0.1:2283:2283"] },
];

/** Whether Immich is published as it is before the first step, or only after the last one; loopback alone till then. */
export const ORDERS = ["before", "after"] as const;
export type Order = (typeof ORDERS)[number];

/** A home, and when it publishes Immich. */
export interface Case {
  name: string;
  home: Home;
  order: Order;
}

/** Every case. What asks Immich elsewhere than on loopback is there from the start. */
export const CASES: readonly Case[] = HOMES.flatMap((home) =>
  ORDERS.filter((order) => order === "before" || home.upstream === undefined).map((order) => {
    return { name: `${home.name}, ${order}`, home, order };
  }),
);
