// Our firewall step against the guide's script, on a host whose active firewall allows only SSH.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { agentCommand } from "../../components/origin-host/agent.ts";
import { RANGES } from "../sandbox/api/world.ts";
import { EDGE, ORIGIN } from "../sandbox/network/network.ts";
import { type Attempts, lockedOut, startProber } from "../../test/e2e/support/prober.ts";
import { listen } from "../../test/host/firewall-support.ts";
import { startTestHost, stepInput, type TestHost } from "../../test/support/host.ts";
import { type Figure, median, short } from "./figure.ts";

/** How often each is measured. */
const ROUNDS = 3;

const { ipv4_cidrs: ipv4, ipv6_cidrs: ipv6 } = RANGES;
const PAYLOAD = {
  hostname: "photos.example.com",
  serves: "immich",
  ranges: { ipv4, ipv6 },
  sshPort: 22,
  upstream: "127.0.0.1:2283",
  confirmSeconds: 600,
};
/** A busy machine needs long for a `ufw reload`. */
const LIMIT_MS = 300_000;
const SCRIPT = "/root/guide.sh";
const KEPT = "/root/ufw-rules";

/** Brings the firewall up in one way, and back to where it began. */
interface Contender {
  /** Milliseconds that it took on the host; the SSH connection, which is the same for both, does not count. */
  apply(): Promise<number>;
  remove(): Promise<void>;
}

/** How much faster our step is, on a host without its rules and on one with them; and which strangers got through. */
export async function firewall(): Promise<Figure[]> {
  const host = await startTestHost();
  try {
    await listen(host);
    await must(host, `ufw allow 22/tcp && ufw --force enable && cp -a /etc/ufw ${KEPT}`);
    await must(host, `cat >${SCRIPT}`, readFileSync(join(import.meta.dirname, "guide.sh"), "utf8"));
    const contenders = { ours: ours(host), guides: guides(host) };
    const times: Record<keyof typeof contenders, Record<"first" | "again", number[]>> = {
      ours: { first: [], again: [] },
      guides: { first: [], again: [] },
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const who of ["ours", "guides"] as const) {
        times[who].first.push(await contenders[who].apply());
        times[who].again.push(await contenders[who].apply());
        await contenders[who].remove();
      }
    }
    const faster = (what: "first" | "again", least: number): Figure => {
      const [own, others] = [median(times.ours[what]), median(times.guides[what])];
      return {
        what: `firewall, ${what === "first" ? "first run" : "run again"}`,
        value: others / own,
        unit: "times as fast as the guide's script",
        goal: { least },
        from: `${short(own)} ms against ${short(others)} ms`,
      };
    };
    const seen = { ours: await watched(host, contenders.ours), guides: await watched(host, contenders.guides) };
    return [
      faster("first", 12),
      faster("again", 25),
      {
        what: "firewall, strangers that got through or were kept from SSH while our step runs",
        value: seen.ours.wrong,
        unit: `of ${seen.ours.all} connections`,
        goal: { most: 0 },
        from: `the guide's script: ${seen.guides.wrong} of ${seen.guides.all}`,
      },
    ];
  } finally {
    await host.close();
  }
}

function ours(host: TestHost): Contender {
  const run = (step: string) => timed(host, agentCommand(step), stepInput(step, PAYLOAD));
  return { apply: () => run("firewall"), remove: async () => void (await run("firewall-remove")) };
}

function guides(host: TestHost): Contender {
  return {
    apply: () => timed(host, `sh ${SCRIPT} ${[...ipv4, ...ipv6].join(" ")}`),
    remove: () => must(host, `cp -a ${KEPT}/*.rules /etc/ufw/ && ufw reload`),
  };
}

/** Runs a command line over SSH; resolves to the milliseconds that it took on the host. */
async function timed(host: TestHost, command: string, input = ""): Promise<number> {
  const clock = `begun=$(date +%s%N); ${command}; code=$?; echo "$((($(date +%s%N) - begun) / 1000))"; exit $code`;
  const { code, stdout, stderr } = await host.ssh(clock, { input, timeout: LIMIT_MS });
  if (code !== 0) throw new Error(`the firewall's step failed: ${stderr}`);
  return Number(stdout.trim().split("\n").at(-1)) / 1000;
}

/** Has strangers try to connect while it runs twice. */
async function watched(host: TestHost, contender: Contender): Promise<{ wrong: number; all: number }> {
  const prober = startProber({ number: host.number, edge: EDGE, origin: ORIGIN }, "photos.home.localhost");
  // The strangers' first attempts come before the first change.
  await sleep(2000);
  await contender.apply();
  await contender.apply();
  const attempts = (await prober.stop()).filter(({ way }) => !way.startsWith("through the edge"));
  await contender.remove();
  const total = (some: readonly Attempts[]) => some.reduce((sum, { count }) => sum + count, 0);
  const letIn = attempts.filter(({ way, answer }) => STRANGERS.test(way) && answer !== "dropped");
  return { wrong: total([...letIn, ...lockedOut(attempts)]), all: total(attempts) };
}

/** The ports that only Cloudflare may reach. */
const STRANGERS = /^to (the host|the host, plain|Immich's own port)(, IPv6)?$/;

async function must(host: TestHost, command: string, input = ""): Promise<void> {
  const { code, stderr } = await host.inside(command, { input, timeout: LIMIT_MS });
  if (code !== 0) throw new Error(`${command}: ${stderr}`);
}
