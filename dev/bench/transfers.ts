// A large upload and a large download, straight to the host: on its way through the edge an upload would meet Cloudflare's
// limit of 100 MB.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PullCertificate } from "../sandbox/api/state.ts";
import type { World } from "../../test/e2e/support/world.ts";
import { emptyFile, lookUntil } from "../../test/e2e/support/traffic.ts";
import { type Figure, median, short } from "./figure.ts";
import { ofNginx } from "./memory.ts";
import { CHECKED, DOWNLOAD_PATH, GIB, PLAIN, UPLOAD_PATH, UPLOADS } from "./servers.ts";

const TURNS = 3;
const MIB = 2 ** 20;
/** Seconds after which a transfer has failed. */
const LONGEST = 300;

/** Resolves to the seconds that it took. */
type Transfer = (server: string) => Promise<number>;

/** Uploads and downloads a GiB through the site and through a plain proxy, by turns. */
export async function transfers(world: World, certificate: PullCertificate, token: string): Promise<Figure[]> {
  const [file, folder] = [emptyFile(GIB / MIB), mkdtempSync(join(tmpdir(), "immich-access-bench-"))];
  const pem = join(folder, "client.pem");
  writeFileSync(pem, certificate.certificate + certificate.private_key, { mode: 0o600 });
  const transfer = async (server: string, path: string, expected: string, args: readonly string[]) => {
    const command = [
      ...["curl", "--silent", "--show-error", "--insecure", "--http1.1", "--cert", pem, "--max-time", String(LONGEST)],
      ...["--config", "-", "--resolve", `${server}:443:${world.sandbox.origin.ipv4}`, ...args, "--output", "/dev/null"],
      ...["--write-out", "%{http_code} %{size_upload} %{size_download} %{time_total}", `https://${server}${path}`],
    ];
    const input = `header = "Cf-Access-Jwt-Assertion: ${token}"\n`;
    const { stdout, stderr } = await world.sandbox.runAtEdge(command, { input, timeout: 1000 * (LONGEST + 10) });
    if (!stdout.startsWith(`${expected} `)) throw new Error(`${server}${path}: ${stdout} ${stderr}`);
    return Number(stdout.split(" ").at(-1));
  };
  const upload: Transfer = (server) =>
    transfer(server, UPLOAD_PATH, `201 ${GIB}`, ["--request", "POST", "--upload-file", file.path]);
  const download: Transfer = (server) =>
    transfer(server, DOWNLOAD_PATH, `206 0 ${GIB}`, ["--range", `${GIB / 2}-${GIB / 2 + GIB - 1}`]);
  try {
    return [
      await compared("upload of 1 GiB", UPLOADS, upload),
      await compared("download of a range of 1 GiB", CHECKED, download),
      ...(await kept(world, "an upload of 1 GiB", upload(UPLOADS))),
      ...(await kept(world, "a download of a range of 1 GiB", download(CHECKED))),
    ];
  } finally {
    rmSync(folder, { recursive: true });
    file.remove();
  }
}

/** How fast it is through the site, as a part of what it is through a plain proxy. */
async function compared(what: string, server: string, transfer: Transfer): Promise<Figure> {
  const [own, others]: [number[], number[]] = [[], []];
  // One each first, which nobody counts
  for (let turn = 0; turn <= TURNS; turn += 1) {
    const [first, second] = [await transfer(server), await transfer(PLAIN)];
    if (turn === 0) continue;
    own.push(first);
    others.push(second);
  }
  const speed = (seconds: readonly number[]) => short(GIB / MIB / median(seconds));
  return {
    what: `nginx, ${what}`,
    value: median(own.map((seconds, turn) => (others[turn] ?? 0) / seconds)),
    unit: "times as fast as through a plain proxy",
    goal: { least: 0.97 },
    from: `${speed(own)} against ${speed(others)} MiB a second`,
  };
}

/** What nginx keeps on the disk and in memory during a transfer. */
async function kept(world: World, what: string, transfer: Promise<number>): Promise<Figure[]> {
  const memory: number[] = [];
  let over = false;
  const ended = transfer.finally(() => (over = true));
  const watching = (async () => {
    while (!over) {
      memory.push(await ofNginx(world));
      await sleep(200);
    }
  })();
  const samples = await lookUntil(world.sandbox, ended);
  await Promise.all([ended, watching]);
  const [first, ...later] = samples;
  if (first === undefined || later.length === 0) throw new Error(`${what} was over before anybody looked`);
  const most = Math.max(...samples.map(({ disk, temporary }) => Math.max(disk - first.disk, temporary)));
  return [
    { what: `nginx, most disk used during ${what}`, value: most / MIB, unit: "MiB", goal: { most: 0 } },
    {
      what: `nginx, growth of its memory during ${what}`,
      value: Math.max(0, ...memory.map((size) => size - (memory[0] ?? size))),
      unit: "MiB",
      goal: { most: 4 },
      from: `${short(Math.max(...memory))} MiB at most`,
    },
  ];
}
