// Requests with good and bad tokens for some seconds, a process in the edge's network zone, while something happens to the
// host. Unlike the load generator's, they may fail.
//
// Standard input is a Steady as JSON; standard output gets a Seen as JSON.

import https from "node:https";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Target } from "./connections.ts";

/** What to do. */
export interface Steady extends Target {
  /** Taken one after the other, and again from the first one. */
  good: string[];
  bad: string[];
  milliseconds: number;
}

/** What was seen. */
export interface Seen {
  asked: number;
  /** Good tokens that were refused, and bad ones that were not. */
  wrong: number;
  /** Good tokens to which another answer came, or none. */
  failed: number;
  /** The longest time in milliseconds in which no good token was admitted. */
  gap: number;
  /** When it began and ended, in milliseconds of `Date.now()`. */
  began: number;
  ended: number;
}

const CONNECTIONS = 16;
/** Between an answer and the next request on a connection, in milliseconds. */
const PAUSE = 10;
/** Of so many requests one has a bad token. */
const BAD_EVERY = 4;
const PATIENCE = 5000;

/** The status of the answer; 0 if there is none. */
function ask(agent: https.Agent, { address, server, certificate }: Target, token: string): Promise<number> {
  return new Promise((resolve) => {
    const request = https.get(
      {
        host: address,
        servername: server,
        cert: certificate.certificate,
        key: certificate.private_key,
        rejectUnauthorized: false,
        headers: { host: server, "cf-access-jwt-assertion": token },
        agent,
        signal: AbortSignal.timeout(PATIENCE),
      },
      (response) => {
        response.resume().on("end", () => {
          resolve(response.statusCode ?? 0);
        });
      },
    );
    request.on("error", () => {
      resolve(0);
    });
  });
}

async function run(steady: Steady): Promise<Seen> {
  const agent = new https.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const began = Date.now();
  const seen: Seen = { asked: 0, wrong: 0, failed: 0, gap: 0, began, ended: 0 };
  let admitted = began;
  const admit = () => {
    seen.gap = Math.max(seen.gap, Date.now() - admitted);
    admitted = Date.now();
  };
  const visitor = async () => {
    while (Date.now() < began + steady.milliseconds) {
      const isBad = seen.asked % BAD_EVERY === 0;
      const tokens = isBad ? steady.bad : steady.good;
      const status = await ask(agent, steady, tokens[seen.asked++ % tokens.length] ?? "");
      if (status === (isBad ? 200 : 403)) seen.wrong += 1;
      else if (status === 200) admit();
      else if (!isBad) seen.failed += 1;
      await sleep(PAUSE);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, visitor));
  agent.destroy();
  seen.ended = Date.now();
  seen.gap = Math.max(seen.gap, seen.ended - admitted);
  return seen;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(JSON.stringify(await run(JSON.parse(await text(process.stdin)) as Steady)));
}
