// What the client certificate and the check of tokens cost on the deployed site's nginx: requests, large transfers, memory,
// and what a restart of the verifier does to visitors.

import { join } from "node:path";
import type { PullCertificate } from "../sandbox/api/state.ts";
import { commandAt } from "../sandbox/network/network.ts";
import { run } from "../sandbox/run.ts";
import type { Outputs, World } from "../../test/e2e/support/world.ts";
import { type Figure, median, short } from "./figure.ts";
import { ofOurs } from "./memory.ts";
import type { Load, Measured } from "./requests.ts";
import { restarts } from "./restarts.ts";
import { CHECKED, OPEN, serve, stopServing, UNCHECKED } from "./servers.ts";
import type { Site } from "./site.ts";
import type { Seen, Steady } from "./steady.ts";
import { newTokens, type Tokens } from "./tokens.ts";
import { transfers } from "./transfers.ts";

/** One request at a time, as many as a page of thumbnails has, and several pages at once. */
const CONNECTIONS = [1, 16, 64];
const PROTOCOLS = ["HTTP/1.1", "HTTP/2"] as const;
const LEAST = { same: 0.95, new: 0.5 };
/** Longest time of one of the programs in milliseconds, so that a server that does not answer ends it. */
const LONGEST = 180_000;
/** The number of connections for which a goal is set where each request has a new token. */
const NEW_AT = 16;

export async function nginx({ world }: Site): Promise<Figure[]> {
  const { zones, organizations } = await world.api.state();
  const certificate = zones[0]?.origin_pulls.hostname_certificates[0];
  const [organization] = organizations;
  if (certificate === undefined) throw new Error("Cloudflare has no client certificate for the site");
  if (organization === undefined) throw new Error("Cloudflare has no Zero Trust organisation");
  const { audience } = await world.deployment.outputs<Outputs>();
  const tokens: Tokens = { organization, audience };
  await serve(world);
  const figures = [await clientCertificates(world, certificate)];
  let memory = await ofOurs(world);
  for (const protocol of PROTOCOLS) {
    for (const each of ["same", "new"] as const) {
      for (const connections of CONNECTIONS) {
        figures.push(...(await tokenCheck(world, certificate, { protocol, connections, token: { ...tokens, each } })));
        memory = Math.max(memory, await ofOurs(world));
      }
    }
  }
  const what = "memory of everything of ours on the host, at most after each of these";
  figures.push({ what, value: memory, unit: "MiB", goal: { most: 40 } });
  const [token = ""] = await newTokens(tokens, 1);
  figures.push(...(await transfers(world, certificate, token)));
  const target = { address: world.sandbox.origin.ipv4, server: CHECKED, certificate };
  figures.push(
    ...(await restarts(world, tokens, (steady) => atEdge<Steady, Seen>(world, "steady.ts", { ...steady, ...target }))),
  );
  await stopServing(world);
  return figures;
}

/** Requests on connections that are kept, as Cloudflare keeps them. */
async function clientCertificates(world: World, certificate: PullCertificate): Promise<Figure> {
  const load = { protocol: "HTTP/1.1", connections: 32, turns: 20, requests: 5000 } as const;
  const { ratio, from } = await compare(world, certificate, [UNCHECKED, OPEN], load);
  return {
    what: "nginx, requests on kept connections",
    value: ratio,
    unit: "of those without client certificates",
    goal: { least: 0.97 },
    from,
  };
}

type TokenLoad = Required<Pick<Load, "protocol" | "connections" | "token">>;

/** The same with tokens, and how long a request takes. */
async function tokenCheck(world: World, certificate: PullCertificate, load: TokenLoad): Promise<Figure[]> {
  const { protocol, connections } = load;
  const { each } = load.token;
  const size = { turns: 8, requests: connections === 1 ? 500 : 2000 };
  const { ratio, p50, p99, from } = await compare(world, certificate, [CHECKED, UNCHECKED], { ...load, ...size });
  const tokens = each === "same" ? "the same token" : "a new token each";
  const hasGoal = each === "same" || connections === NEW_AT;
  const what = `token check, ${protocol}, ${tokens}, ${connections} at once`;
  const requests: Figure = {
    what: `${what}: requests`,
    value: ratio,
    unit: "of those without the check",
    ...(hasGoal && { goal: { least: LEAST[each] } }),
    from,
  };
  const latency = (name: string, [own, others]: readonly [number, number], most?: number): Figure => ({
    what: `${what}: ${name}`,
    value: own / others,
    unit: "times that without the check",
    ...(most !== undefined && { goal: { most } }),
    from: `${short(own)} against ${short(others)} ms`,
  });
  return [requests, latency("p50", p50), latency("p99", p99, each === "new" && hasGoal ? 3 : undefined)];
}

interface Comparison {
  /** Requests per second of the first server, as a part of the second one's. */
  ratio: number;
  /** Milliseconds of each. */
  p50: [number, number];
  p99: [number, number];
  from: string;
}

/** Asks both servers by turns. */
async function compare(
  world: World,
  certificate: PullCertificate,
  servers: [string, string],
  load: Omit<Load, "address" | "servers" | "certificate">,
): Promise<Comparison> {
  const whole: Load = { ...load, servers, address: world.sandbox.origin.ipv4, certificate };
  const measured = await atEdge<Load, Record<string, Measured>>(world, "requests.ts", whole);
  const [own, others] = servers.map((server) => measured[server]);
  if (own === undefined || others === undefined) throw new Error(`${servers.join(" and ")} were not measured`);
  return {
    ratio: median(own.rates.map((rate, turn) => rate / (others.rates[turn] ?? 0))),
    p50: [own.p50, others.p50],
    p99: [own.p99, others.p99],
    from: `${short(median(own.rates))} against ${short(median(others.rates))} a second`,
  };
}

/** Runs a program of this folder in the edge's network zone. */
async function atEdge<Input, Output>({ sandbox }: World, program: string, input: Input): Promise<Output> {
  const command = [process.execPath, join(import.meta.dirname, program)];
  const { code, stdout, stderr } = await run(commandAt(sandbox.number, "edge", command), {
    input: JSON.stringify(input),
    timeout: LONGEST,
  });
  if (code !== 0) throw new Error(`the requests failed: ${stderr}`);
  return JSON.parse(stdout) as Output;
}
