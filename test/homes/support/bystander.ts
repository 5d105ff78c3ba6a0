import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { commandAt, STRANGER } from "../../../dev/sandbox/network/network.ts";
import type { TestHost } from "../../support/host.ts";
import { PYTHON } from "../../support/python.ts";

const PROGRAM = join(import.meta.dirname, "bystander.py");

function start(host: TestHost, ...words: string[]) {
  const [file = "", ...args] = commandAt(host.number, "out", [PYTHON, "-IB", PROGRAM, ...words]);
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => undefined);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async () => ((await lines.next()) as { value?: string }).value ?? "";
  return { child, line };
}

/** Starts a web server on the internet, on `STRANGER.ipv4`; the result ends it. */
export async function startWebServer(host: TestHost, port: number): Promise<() => void> {
  const { child, line } = start(host, "serve", STRANGER.ipv4, String(port));
  if ((await line()) !== "ready") throw new Error("the internet has no web server");
  return () => child.stdin.end();
}

/**
 * Opens a stranger's connection now, and uses it when the result is called: that tells whether it was answered then, or
 * undefined if there was no connection.
 */
export async function openConnection(
  host: TestHost,
  address: string,
  port: number,
): Promise<() => Promise<boolean | undefined>> {
  const { child, line } = start(host, "stay", address, String(port));
  const opened = (await line()) === "ready";
  return async () => {
    if (!opened) return undefined;
    child.stdin.end("now\n");
    return (await line()) === "answered";
  };
}
