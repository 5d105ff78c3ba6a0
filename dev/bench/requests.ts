// The load generator, a process in the edge's network zone. It asks several servers in turns, each for the same number of
// requests.
//
// Standard input is a Load as JSON; standard output gets a Record<server, Measured> as JSON.

import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { connect, type Connection, type Protocol, type Target } from "./connections.ts";
import { newTokens, type Tokens } from "./tokens.ts";

/** What to do. */
export interface Load extends Omit<Target, "server"> {
  /** Names of the servers, each asked for `/`. */
  servers: string[];
  protocol: Protocol;
  /** Connections to each server, kept for all turns, with a request at a time on each. */
  connections: number;
  turns: number;
  /** Requests of one server's turn. */
  requests: number;
  /** The token of each request: the same for all, or a new one each. Absent: none. */
  token?: Tokens & { each: "same" | "new" };
}

/** How a server has answered. */
export interface Measured {
  /** Requests per second of each turn. */
  rates: number[];
  /** Milliseconds to an answer, of all turns: what half, and 99 of a hundred, did not exceed. */
  p50: number;
  p99: number;
}

interface Asked extends Measured {
  server: string;
  connections: Connection[];
  latencies: number[];
}

/** Between turns, so that what one server has still to do is no part of the next one's. */
const PAUSE = 50;

/** Asks with each of the tokens once, on all connections; adds to `latencies`. Returns the seconds that it took. */
function turn({ connections, latencies }: Asked, tokens: readonly (string | undefined)[]): Promise<number> {
  return new Promise((resolve) => {
    const began = performance.now();
    let [next, open] = [0, 0];
    const ask = (connection: Connection) => {
      if (next === tokens.length) {
        open -= 1;
        if (open === 0) resolve((performance.now() - began) / 1000);
        return;
      }
      const [token, since] = [tokens[next], performance.now()];
      next += 1;
      connection.ask(token, () => {
        latencies.push(performance.now() - since);
        ask(connection);
      });
    };
    open = connections.length;
    for (const connection of connections) ask(connection);
  });
}

async function run(load: Load): Promise<Record<string, Measured>> {
  const { token, servers, turns, requests } = load;
  const all: Asked[] = await Promise.all(
    servers.map(async (server) => {
      const opening = Array.from({ length: load.connections }, () => connect(load.protocol, { ...load, server }));
      return { server, connections: await Promise.all(opening), rates: [], latencies: [], p50: 0, p99: 0 };
    }),
  );
  const [first] = token === undefined ? [] : await newTokens(token, 1);
  const tokens = async () =>
    token?.each === "new" ? newTokens(token, requests) : Array.from({ length: requests }, () => first);
  // What is begun only once, such as the connections of nginx to others, is no part of it.
  for (const asked of all)
    await turn(
      asked,
      Array.from({ length: load.connections }, () => first),
    );
  for (const { latencies } of all) latencies.length = 0;
  for (let turned = 0; turned < turns; turned += 1) {
    const wanted = await tokens();
    for (const asked of all) {
      await sleep(PAUSE);
      asked.rates.push(requests / (await turn(asked, wanted)));
    }
  }
  for (const { connections } of all) for (const connection of connections) connection.close();
  return Object.fromEntries(
    all.map(({ server, rates, latencies }) => {
      const sorted = Float64Array.from(latencies).sort();
      const at = (part: number) => sorted[Math.ceil(part * sorted.length) - 1] ?? NaN;
      return [server, { rates, p50: at(0.5), p99: at(0.99) }];
    }),
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(JSON.stringify(await run(JSON.parse(await text(process.stdin)) as Load)));
}
