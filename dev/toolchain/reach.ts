// Whether Pulumi's download site answers.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { dirname } from "node:path";

/** A probe that took longer than this (milliseconds) is remembered. */
const slow = 500;
/** For how long a slow probe's result is remembered, in milliseconds. */
const remembered = 10 * 60 * 1000;

interface Memory {
  online: boolean;
  at: number;
}

function recall(path: string): boolean | undefined {
  try {
    const { online, at } = JSON.parse(readFileSync(path, "utf8")) as Memory;
    const age = Date.now() - at;
    return age >= 0 && age < remembered ? online : undefined;
  } catch {
    return undefined; // no memory, or not readable: ask again
  }
}

function answers(url: string, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { method: "HEAD", signal: AbortSignal.timeout(timeout) }, (response) => {
      response.destroy();
      resolve((response.statusCode ?? 500) < 400);
    });
    request.on("error", () => resolve(false));
  });
}

/**
 * Asks the download site once. A name that does not resolve answers at once; a slow answer is remembered for ten
 * minutes, so that a machine behind a silent firewall does not wait each time.
 * @param options.memory file for the remembered answer.
 * @param options.url what to ask. Default: the install script that the official CLI package runs.
 * @param options.timeout milliseconds until "no". Default 5000.
 */
export async function downloadsReachable(options: {
  memory: string;
  url?: string;
  timeout?: number;
}): Promise<boolean> {
  const known = recall(options.memory);
  if (known !== undefined) return known;
  const started = Date.now();
  const online = await answers(options.url ?? "https://get.pulumi.com/install.sh", options.timeout ?? 5000);
  if (Date.now() - started > slow) {
    mkdirSync(dirname(options.memory), { recursive: true });
    writeFileSync(options.memory, JSON.stringify({ online, at: Date.now() } satisfies Memory));
  }
  return online;
}
