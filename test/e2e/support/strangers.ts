// Strangers, as a process in their network namespace: each way is tried over and over with new connections, until
// standard input ends. Then one line of JSON tells what came of them.
//
//   node strangers.ts HOSTNAME WAYS      WAYS is JSON: [{ "way": …, "address": …, "port": …, "tls": … }]
import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { Attempt, Way } from "./prober.ts";

/** Between two tries on one way: more often would take the processor from what is watched. */
const PAUSE_MS = 50;
const PATIENCE_MS = 1000;

const [hostname = "", ways = "[]"] = process.argv.slice(2);
const attempts: Attempt[] = [];
let going = true;
process.stdin.on("end", () => (going = false)).resume();

await Promise.all((JSON.parse(ways) as Way[]).map(keepTrying));
process.stdout.write(JSON.stringify(attempts));

async function keepTrying(way: Way): Promise<void> {
  while (going) {
    attempts.push({ way: way.way, at: Date.now(), answer: await once(way) });
    await sleep(PAUSE_MS);
  }
}

/** `pong` if Immich itself has answered, else the status or the error. */
function once({ address, port, tls }: Way): Promise<string> {
  return new Promise((resolve) => {
    const options = {
      ...{ host: address, port, path: "/api/server/ping", headers: { host: hostname }, agent: false },
      signal: AbortSignal.timeout(PATIENCE_MS),
    };
    const take = (response: http.IncomingMessage): void => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("error", (error) => resolve(error.message));
      response.on("end", () => resolve(body.includes("pong") ? "pong" : String(response.statusCode)));
    };
    const request = tls
      ? https.get({ ...options, servername: hostname, rejectUnauthorized: false }, take)
      : http.get(options, take);
    request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
