// What the guard's tests share: the host's neighbour, who can do more than a stranger, and what each place gets.

import { run } from "../../../dev/sandbox/run.ts";
import type { CommandResult } from "../../../dev/sandbox/sandbox.ts";
import type { TestHost } from "../../support/host.ts";
import { reach, strangerTries } from "../firewall-support.ts";
import { CONTAINER } from "./docker.ts";

export const OPEN = { "2283-v4": "open", "2283-v6": "open" };
export const SILENT = { "2283-v4": "silent", "2283-v6": "silent" };

/** Places around a host, and what they get of Immich. */
export class Surroundings {
  private readonly host: TestHost;

  public constructor(host: TestHost) {
    this.host = host;
  }

  /**
   * Tells the router, which is the host's neighbour on its cable to the internet, the ways to the containers and to
   * 127.0.0.1 of the host.
   */
  public async lead(): Promise<void> {
    await this.must(
      "ip route add 172.18.0.0/16 via 198.51.100.10; ip route add fd00:18::/64 via 2001:db8:77::10; " +
        "sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.to-host.rp_filter=0; " +
        "ip rule add pref 100 lookup local; ip rule del pref 0; ip rule add pref 50 to 127.0.0.1 lookup 99; " +
        "ip route add 127.0.0.1 via 198.51.100.10 table 99",
    );
  }

  /** Runs a shell command line at the host's neighbour. */
  public neighbour(command: string): Promise<CommandResult> {
    return run(["ip", "netns", "exec", `ia${this.host.number}-net`, "sh", "-c", command]);
  }

  /** What a stranger gets of ports of the host. */
  public stranger(ports: readonly number[] = [2283]): Promise<Record<string, string>> {
    return reach((command) => this.host.fromStranger(command), ports);
  }

  /** Which of the ways that only a neighbour has lead to Immich: to the container's addresses, and 127.0.0.1 by wire. */
  public async neighbourly(): Promise<string[]> {
    const places = [...Object.values(CONTAINER), "127.0.0.1:2283", "198.51.100.10:2283", "[2001:db8:77::10]:2283"];
    const answers = await Promise.all(places.map((place) => this.neighbour(`curl -s -m 2 http://${place}/`)));
    return places.filter((_, at) => answers[at]?.stdout === "pong");
  }

  /** What a port of the host answers to a machine in its management network, which is private. */
  public async lan(address: "ipv4" | "ipv6" = "ipv4", port = 2283): Promise<string> {
    const { number } = this.host;
    const place = address === "ipv4" ? `10.77.${number}.2` : `[fd77:${number}::2]`;
    return (await run(["curl", "-s", "-m", "2", `http://${place}:${port}/`])).stdout;
  }

  /** The management network, which can be a home network, over IPv4 and IPv6. */
  public get lanNetworks(): { ipv4: string; ipv6: string } {
    return { ipv4: `10.77.${this.host.number}.0/30`, ipv6: `fd77:${this.host.number}::/64` };
  }

  /** Which of the host's own ways to Immich do not lead there. */
  public async lacking(): Promise<string[]> {
    const places = ["127.0.0.1:2283", "[::1]:2283", "198.51.100.10:2283", ...Object.values(CONTAINER)];
    const answers = await Promise.all(places.map((place) => this.host.inside(`curl -s -m 5 http://${place}/`)));
    return places.filter((_, at) => answers[at]?.stdout !== "pong");
  }

  /** Which ports answered a stranger while the body ran, on a line each. */
  public async watched(body: () => Promise<unknown>, ports = [2283]): Promise<string> {
    const stop = strangerTries(this.host, { shut: ports });
    return body().then(stop, async (error: unknown) => {
      await stop();
      throw error;
    });
  }

  /** Runs a shell command line on the host, which has to succeed, and gives what it printed. */
  public async on(command: string): Promise<string> {
    const { code, stdout, stderr } = await this.host.inside(command, { timeout: 60_000 });
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
    return stdout;
  }

  /** The table in the kernel, without what its counter has counted; empty if there is none. */
  public async table(): Promise<string> {
    return (await this.host.inside("nft -s list table inet immich_access 2>/dev/null")).stdout;
  }

  /** The elements of one of the table's sets. */
  public async set(name: string): Promise<string[]> {
    const listed = JSON.parse(await this.on(`nft -j list set inet immich_access ${name}`)) as {
      nftables: { set?: { elem?: unknown[] } }[];
    };
    return listed.nftables.flatMap(({ set }) => set?.elem ?? []).map((element) => JSON.stringify(element));
  }

  private async must(command: string): Promise<void> {
    const { code, stderr } = await this.neighbour(command);
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
  }
}
