// Traffic as phones make it: large uploads, websockets that stay open, many requests at once.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ClientOptions, WebSocket } from "ws";
import type { DeviceHeaders } from "../../../components/site-check/answers.ts";
import { curlConfig } from "../../../dev/commands/probes.ts";
import { run } from "../../../dev/sandbox/run.ts";
import type { Sandbox } from "../../../dev/sandbox/sandbox.ts";

const MEGABYTE = 1_048_576;
/** Limit against hanging: an upload takes some seconds, and many times that on a busy machine. */
const PATIENCE_MS = 240_000;

/** A file to upload. */
export interface UploadFile {
  path: string;
  bytes: number;
  sha256: string;
  remove(): void;
}

/** Makes a file of random bytes, which nothing on the way can compress. */
export function randomFile(megabytes: number): UploadFile {
  const path = join(tmpdir(), `immich-access-upload-${randomUUID()}`);
  const hash = createHash("sha256");
  const file = openSync(path, "wx", 0o600);
  for (let written = 0; written < megabytes; written += 1) {
    const block = randomBytes(MEGABYTE);
    hash.update(block);
    writeSync(file, block);
  }
  closeSync(file);
  return { path, bytes: megabytes * MEGABYTE, sha256: hash.digest("hex"), remove: () => rmSync(path) };
}

/** Makes a file of zeros that takes no room on the disk. */
export function emptyFile(megabytes: number): Omit<UploadFile, "sha256"> {
  const path = join(tmpdir(), `immich-access-upload-${randomUUID()}`);
  writeFileSync(path, "", { flag: "wx", mode: 0o600 });
  truncateSync(path, megabytes * MEGABYTE);
  return { path, bytes: megabytes * MEGABYTE, remove: () => rmSync(path) };
}

/** A stranger's curl through the edge; a device's headers go through its standard input. */
const curl = (sandbox: Sandbox, hostname: string, ...args: string[]): string[] => [
  ...["curl", "--silent", "--config", "-", "--cacert", sandbox.publicCaPath],
  ...["--resolve", `${hostname}:443:${sandbox.edge.ipv4}`],
  ...args,
];

/** How an upload ended. */
export interface Uploaded {
  status: number;
  body: string;
  /** When it began and ended, in milliseconds of `Date.now()`. */
  began: number;
  ended: number;
}

/**
 * Uploads a file from a stranger's place through the edge, with a device's headers.
 * @param rate megabytes per second. Default: as fast as it goes.
 */
export async function upload(
  sandbox: Sandbox,
  hostname: string,
  headers: DeviceHeaders,
  path: string,
  rate?: number,
): Promise<Uploaded> {
  const began = Date.now();
  const { stdout } = await sandbox.runAsStranger(
    curl(
      sandbox,
      hostname,
      ...["--request", "POST", "--upload-file", path, "--write-out", "\n%{http_code}"],
      ...(rate === undefined ? [] : ["--limit-rate", `${rate}M`]),
      `https://${hostname}/api/assets`,
    ),
    { input: curlConfig(headers), timeout: PATIENCE_MS },
  );
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end), began, ended: Date.now() };
}

/** What an upload looks like on the host at one moment. */
export interface Sample {
  at: number;
  /** Uploads that Immich knows of, and how many bytes of the newest have come. */
  uploads: number;
  received: number;
  /** Bytes that nginx keeps in temporary files, by name or deleted and still open. */
  temporary: number;
  /** Bytes that the host keeps on its disk beside its logs. */
  disk: number;
}

/**
 * Prints what Immich knows, and then the size of each of nginx's temporary files. Those in /run are no part of an upload:
 * an entry of the token cache that has just been replaced is deleted and still open.
 */
const LOOK = `
curl --silent --max-time 5 http://127.0.0.1:2283/api/debug/uploads; echo
find /var/lib/nginx /var/cache/nginx -type f -printf '%s\\n' 2>/dev/null
for pid in $(pgrep -x nginx); do
  find "/proc/$pid/fd" -lname '* (deleted)' ! -lname '/run/*' -exec stat -L -c %s {} + 2>/dev/null
done`;

/** Takes one sample. */
export async function look(sandbox: Sandbox): Promise<Sample> {
  const at = Date.now();
  // The host's file systems are overlays; all that it writes comes to lie here.
  const upper = join(dirname(sandbox.sshTarget.keyFile), "disk/upper");
  const [seen, used] = await Promise.all([
    sandbox.runOnHost(["sh", "-c", LOOK]),
    run(["du", "--summarize", "--block-size=1", upper]),
  ]);
  const [json = "", ...sizes] = seen.stdout.trim().split("\n");
  const uploads = JSON.parse(json) as { bytes: number }[];
  return {
    at,
    uploads: uploads.length,
    received: uploads.at(-1)?.bytes ?? 0,
    temporary: sizes.reduce((sum, size) => sum + Number(size), 0),
    disk: Number.parseInt(used.stdout),
  };
}

/** Takes samples until something has ended. */
export async function lookUntil(sandbox: Sandbox, ended: Promise<unknown>): Promise<Sample[]> {
  const samples: Sample[] = [];
  let over = false;
  const end = () => (over = true);
  ended.then(end, end);
  while (!over) {
    samples.push(await look(sandbox));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return samples;
}

/**
 * Opens a websocket to the site, by a browser's way into the sandbox.
 * @throws Error with the status, if the answer is none that opens it.
 */
export async function openWebsocket(sandbox: Sandbox, hostname: string, headers?: DeviceHeaders): Promise<WebSocket> {
  const { port } = new URL(sandbox.browserUrl(hostname));
  // The types know the names of TLS's options only in part.
  const options: ClientOptions & { servername: string } = {
    ca: readFileSync(sandbox.publicCaPath),
    servername: hostname,
    headers: {
      Host: hostname,
      ...(headers && { "CF-Access-Client-Id": headers.clientId, "CF-Access-Client-Secret": headers.clientSecret }),
    },
    handshakeTimeout: 10_000,
  };
  const socket = new WebSocket(`wss://127.0.0.1:${port}/api/socket.io/`, options);
  await once(socket, "open");
  return socket;
}

/** What comes back for a text over a websocket. Rejects if nothing does within ten seconds. */
export async function echo(socket: WebSocket, text: string): Promise<string> {
  const answer = once(socket, "message", { signal: AbortSignal.timeout(10_000) });
  socket.send(text);
  const [data] = (await answer) as [Buffer];
  return data.toString();
}

/** Process ids of nginx's workers on the host, also of those that only finish what they have begun. */
export async function workers(sandbox: Sandbox): Promise<string[]> {
  const { stdout } = await sandbox.runOnHost(["sh", "-c", 'pgrep --parent "$(cat /run/nginx.pid)"']);
  return stdout.trim().split("\n");
}

/** Reloads nginx, and waits until it has workers that it had not before. */
export async function reloadNginx(sandbox: Sandbox): Promise<void> {
  const before = new Set(await workers(sandbox));
  const { code, stderr } = await sandbox.runOnHost(["systemctl", "reload", "nginx"]);
  if (code !== 0) throw new Error(`nginx does not reload: ${stderr}`);
  const end = Date.now() + 20_000;
  while ((await workers(sandbox)).every((pid) => before.has(pid))) {
    if (Date.now() > end) throw new Error("nginx has no new workers 20 s after a reload");
  }
}

/** Devices that send one request after the other until `stop` is called. */
export interface Load {
  /** Ends the requests; tells how often which status and exit status of curl came of them. */
  stop(): Promise<Record<string, number>>;
}

/** Longest time for which requests go on, in seconds, also when nobody is left to stop them. */
const LONGEST_LOAD = 240;

/** Batch after batch. The configuration with the credentials is kept in a variable, out of any argument. */
const LOAD = `
config=$(cat)
while [ ! -e "$0" ]; do printf '%s' "$config" | "$@"; done`;

/**
 * Sends requests with a device's headers, twenty at a time, each on a new connection to the edge. They have a body, so
 * that the edge, which never sends such a request twice, opens a new connection to the host for each as well.
 */
export function startLoad(sandbox: Sandbox, hostname: string, headers: DeviceHeaders): Load {
  const ended = join(tmpdir(), `immich-access-load-${randomUUID()}`);
  const args = [
    ...["--parallel", "--parallel-immediate", "--parallel-max", "20", "--http1.1", "--header", "Connection: close"],
    ...["--max-time", "20", "--data", "x", "--output", "/dev/null", "--write-out", "%{http_code}/%{exitcode}\n"],
    `https://${hostname}/api/server/ping?n=[1-20]`,
  ];
  const running = sandbox.runAsStranger(
    ["timeout", String(LONGEST_LOAD), "sh", "-c", LOAD, ended, ...curl(sandbox, hostname, ...args)],
    { input: curlConfig(headers), timeout: 1000 * (LONGEST_LOAD + 10) },
  );
  return {
    stop: async () => {
      writeFileSync(ended, "");
      try {
        const counts: Record<string, number> = {};
        for (const answer of (await running).stdout.trim().split("\n")) counts[answer] = (counts[answer] ?? 0) + 1;
        return counts;
      } finally {
        rmSync(ended, { force: true });
      }
    },
  };
}

/** How many requests to the ping nginx has answered with 200 so far. */
export async function pings(sandbox: Sandbox): Promise<number> {
  const { stdout } = await sandbox.runOnHost([
    "grep",
    "-cE",
    '/api/server/ping HTTP/(1.1|2.0)" 200',
    "/var/log/nginx/access.log",
  ]);
  return Number(stdout);
}
