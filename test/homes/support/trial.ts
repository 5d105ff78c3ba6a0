// Lets the program come to a home, lets everything happen there that happens to a host, and lets it go again; strangers
// and neighbours try to reach Immich past nginx all the time.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ORIGIN } from "../../../dev/sandbox/network/network.ts";
import {
  certificatesPayload,
  clientCertificate,
  firewallPayload,
  nginxPayload,
  serverCertificate,
  SITE,
} from "../../host/support/origin.ts";
import { startTestHost, type TestHost } from "../../support/host.ts";
import type { Told } from "../../support/payloads.ts";
import { openConnection, startWebServer } from "./bystander.ts";
import { Docker, INTERNET_PORT, OTHER } from "./docker.ts";
import type { Case } from "./homes.ts";
import { openNow, servicesOf, type Way, waysTo, watch, type Watched } from "./watch.ts";

/** What came of a case. */
export interface Result {
  /** Ways to Immich past nginx that were open before the first step. */
  before: string[];
  /** Why the first step has refused, if it has. */
  refused?: string;
  /** What worked before and did not at some time afterwards: `Docker's restart: container to container`. */
  lost: string[];
  /** Answers past nginx: each way, how often, and during what. */
  answers: string[];
  /** Ways that were open before, and are again after the removal. */
  back: string[];
  /** Tries of each way, and the longest time without one in milliseconds. */
  rounds: number;
  gap: number;
}

interface Event {
  name: string;
  began: number;
  ended: number;
}

/** Ends what hangs; on a busy machine ufw alone takes half a minute. */
const PATIENCE_MS = 300_000;
const LOOPBACK = ["127.0.0.1:2283:2283"];
const NETWORK = "home";
/** Where it is there. */
const STARTS_TAILSCALE = "systemctl restart tailscaled 2>/dev/null || true";
/** What the update changes. */
const FEWER = { ipv4: firewallPayload.ranges.ipv4, ipv6: firewallPayload.ranges.ipv6.slice(0, 1) };

/** Runs a case on a host of its own. */
export async function trial({ home, order }: Case): Promise<Result> {
  const host = await startTestHost({ engine: "docker", release: home.release, lan: true });
  const folder = mkdtempSync(join(tmpdir(), "immich-access-home-"));
  const ends = [() => host.close(), () => Promise.resolve(rmSync(folder, { recursive: true }))];
  try {
    const stopServing = await startWebServer(host, INTERNET_PORT);
    ends.unshift(() => Promise.resolve(stopServing()));
    return await new Trial(host, folder, { home, order }).run();
  } finally {
    for (const end of ends) await end();
  }
}

class Trial {
  private readonly host: TestHost;
  private readonly folder: string;
  private readonly home: Case["home"];
  private readonly order: Case["order"];
  private readonly upstream: string;
  private readonly ports: readonly number[];
  private docker!: Docker;
  private readonly events: Event[] = [];
  private readonly lost: string[] = [];
  private working: string[] = [];
  private services: Way[] = [];

  public constructor(host: TestHost, folder: string, { home, order }: Omit<Case, "name">) {
    this.host = host;
    this.folder = folder;
    this.home = home;
    this.order = order;
    this.upstream = home.upstream ?? "127.0.0.1:2283";
    this.ports = home.ports ?? [2283];
  }

  public async run(): Promise<Result> {
    await this.moveIn();
    const ways = await waysTo(this.host, { ports: this.ports, containers: await this.docker.targets() });
    this.services = await servicesOf(this.host, OTHER.port);
    const before = await openNow(this.host, ways);
    this.working = await this.works();
    if (this.order === "after") await this.docker.recreate(LOOPBACK);

    const connections = await Promise.all(
      this.ports.flatMap((port) => Object.values(ORIGIN).map((address) => openConnection(this.host, address, port))),
    );
    const { code, said } = await this.host.step("firewall", this.payload());
    if (code !== 0) return { before, refused: said.trim(), lost: [], answers: [], back: [], rounds: 0, gap: 0 };
    const stop = await watch(this.host, ways);
    const outlived = (await Promise.all(connections.map((use) => use()))).filter((answered) => answered).length;
    let watched: Watched;
    try {
      await this.live();
      await this.event("a site's removal", () => this.apply("site-remove", { hostname: SITE }), false);
    } finally {
      watched = await stop();
    }
    await this.event("removal", () => this.apply("firewall-remove", this.payload()), false);
    // Who had it off turns it off.
    if (this.home.ufw === false) await this.sh("ufw disable");
    const now = await openNow(this.host, ways);
    const answers = this.describe(watched);
    if (outlived > 0) answers.unshift(`${outlived} connections from before the first step went on`);
    const back = before.filter((name) => now.includes(name));
    return { before, lost: this.lost, answers, back, rounds: watched.rounds, gap: watched.gap };
  }

  /** The owner's own work, before our program comes. */
  private async moveIn(): Promise<void> {
    const { host, home } = this;
    await this.sh("systemctl enable -q --now nftables");
    await home.prepare?.(host);
    if (home.ufw ?? true) await this.sh(`ufw allow 22/tcp; ufw allow ${OTHER.port}/tcp; ufw --force enable`);
    this.docker = await Docker.start(host, home.daemon);
    if (home.network !== undefined) await this.docker.createNetwork(NETWORK, home.network);
    await this.sh(STARTS_TAILSCALE);
    await this.docker.runHome(home.publish, home.network === undefined ? undefined : NETWORK);
  }

  /** Everything that happens to the host while the site is up. */
  private async live(): Promise<void> {
    const { host, docker } = this;
    const certificates = certificatesPayload(serverCertificate(), {});
    const serve = async () => {
      await this.apply("certificates", certificates);
      await this.apply("nginx", { ...nginxPayload, upstream: this.upstream });
    };
    await this.event("certificates and nginx", serve);
    if (this.order === "after") await this.event("publication", () => docker.recreate(this.home.publish));
    await this.event("update", async () => {
      await this.apply("firewall", this.payload({ ranges: FEWER }));
      await serve();
    });
    await this.event("Docker's restart", () => docker.restart());
    await this.event("a new address", () => docker.recreate());
    await this.event("reboot", async () => {
      await host.reboot();
      await docker.settled();
    });
    await this.event("ufw reload", () => this.sh("ufw reload"));
    await this.event("ufw disable and enable", () => this.sh("ufw disable; sleep 0.5; ufw --force enable"));
    // Debian's configuration begins with `flush ruleset`, which takes Docker's and ufw's rules, too: their owner's to mend.
    await this.event("nftables reload", () => this.sh("systemctl reload nftables; sleep 0.2"), false);
    await this.event("nftables restart", () => this.sh("systemctl restart nftables; sleep 0.2"), false);
    await this.event("Docker and ufw after that", async () => {
      await this.sh("ufw reload");
      await docker.restart();
      await this.sh(STARTS_TAILSCALE);
    });
  }

  /** Lets something happen, and notes what does not work after it. */
  private async event(name: string, work: () => Promise<unknown>, compares = true): Promise<void> {
    const began = Date.now();
    await work().catch((error: unknown) => {
      this.lost.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    });
    this.events.push({ name, began, ended: Date.now() });
    if (!compares) return;
    const works = await this.works();
    this.lost.push(...this.working.filter((one) => !works.includes(one)).map((one) => `${name}: ${one}`));
    if (!(await this.isServed())) this.lost.push(`${name}: the site`);
    const last = this.events.at(-1);
    if (last) last.ended = Date.now();
  }

  /** What containers and strangers can do that is not ours to shut. */
  private async works(): Promise<string[]> {
    return [...(await this.docker.kept(this.upstream)), ...(await openNow(this.host, this.services))];
  }

  /** Whether Cloudflare gets Immich's answer through nginx. */
  private async isServed(): Promise<boolean> {
    const { certificate, privateKey } = CLIENT;
    const file = join(this.folder, "client.pem");
    writeFileSync(file, `${certificate}${privateKey}`, { mode: 0o600 });
    const { stdout } = await this.host.fromEdge(
      `curl -s -k -m 5 --cert ${file} --resolve ${SITE}:443:${ORIGIN.ipv4} https://${SITE}/api/server/ping`,
    );
    return stdout.includes("pong");
  }

  /** Each way that was answered, and during what. */
  private describe({ answers }: Watched): string[] {
    const homes = this.home.homeNetworks?.length ?? 0;
    return Object.entries(answers)
      .filter(([name]) => homes === 0 || !name.startsWith("neighbour"))
      .map(([name, { count, at, until }]) => {
        const during = this.events.filter(({ began, ended }) => began <= until && at <= ended);
        return `${name}: ${count} times, ${during.map((one) => one.name).join(", ")}`;
      });
  }

  private payload(change: Told = {}): Told {
    const { homeNetworks = [], ufw = true } = this.home;
    // The container that is not Immich: its IPv6 way leads through docker-proxy, and therefore through ufw's rules.
    const keepOpen = ufw ? [] : [`${OTHER.port}/tcp`];
    return { ...firewallPayload, upstream: this.upstream, homeNetworks, keepOpen, ...change };
  }

  private async apply(step: string, told: Told): Promise<void> {
    const { code, said } = await this.host.step(step, told, { timeout: PATIENCE_MS });
    if (code !== 0) throw new Error(`${step}: ${said.trim()}`);
  }

  private async sh(command: string): Promise<void> {
    const { code, stderr } = await this.host.inside(command, { timeout: PATIENCE_MS });
    if (code !== 0) throw new Error(`${command}: ${stderr || code}`);
  }
}

const CLIENT = clientCertificate();
