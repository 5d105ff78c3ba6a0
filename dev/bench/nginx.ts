// What the client certificate costs, and whether uploads touch the disk: on the deployed site's nginx.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PullCertificate } from "../sandbox/api/state.ts";
import { commandAt } from "../sandbox/network/network.ts";
import { run } from "../sandbox/run.ts";
import { emptyFile, lookUntil } from "../../test/e2e/support/traffic.ts";
import { SITE, type World } from "../../test/e2e/support/world.ts";
import { type Figure, median, short } from "./figure.ts";
import type { Load } from "./requests.ts";
import type { Site } from "./site.ts";

const SITE_FILE = `/etc/nginx/sites-available/immich-access-${SITE}.conf`;
const BENCH_FILE = "/etc/nginx/conf.d/bench.conf";
/**
 * The site again, once as it is and once for every client, in front of a server that answers at once; and for uploads, in
 * front of Immich. None of them asks for a token of Access, for the requests do not come from there.
 */
const [WITH, WITHOUT, UPLOADS] = ["with.bench.localhost", "without.bench.localhost", "uploads.bench.localhost"];
const [IMMICH, UPSTREAM] = ["127.0.0.1:2283", "127.0.0.1:2284"];
const GIB = 1024;

export async function nginx({ world }: Site): Promise<Figure[]> {
  const [certificate] = (await world.api.state()).zones[0]?.origin_pulls.hostname_certificates ?? [];
  if (certificate === undefined) throw new Error("Cloudflare has no client certificate for the site");
  await serve(world);
  const figures = [await throughput(world, certificate), ...(await upload(world, certificate))];
  await onHost(world, `rm ${BENCH_FILE} && systemctl reload nginx`);
  return figures;
}

/** Has nginx serve what is measured. */
async function serve(world: World): Promise<void> {
  const text = await onHost(world, `cat ${SITE_FILE}`);
  const named = (name: string, upstream: string) =>
    text
      .replaceAll(SITE, name)
      .replaceAll(`/etc/immich-access/${name}/`, `/etc/immich-access/${SITE}/`)
      .replace(/proxy_pass http:\/\/[\d.:]+;/, `proxy_pass http://${upstream}; auth_request off;`);
  const open = named(WITHOUT, UPSTREAM).replace(/^ *ssl_(client_certificate|verify_client) .*\n/gm, "");
  const answering = `server { listen ${UPSTREAM}; access_log off; return 200 pong; }\n`;
  const servers = named(WITH, UPSTREAM) + open + named(UPLOADS, IMMICH) + answering;
  await onHost(world, `cat >${BENCH_FILE} && nginx -t && systemctl reload nginx`, servers);
  await onHost(world, `until ss -Hltn 'src = ${UPSTREAM}' | grep -q .; do sleep 0.1; done`);
  // The old workers still take connections for a moment.
  await sleep(2000);
}

/** Requests on connections that are kept, as Cloudflare keeps them. */
async function throughput(world: World, { certificate, private_key }: PullCertificate): Promise<Figure> {
  const load: Load = {
    address: world.sandbox.origin.ipv4,
    servers: [WITH, WITHOUT],
    certificate,
    privateKey: private_key,
    connections: 32,
    turns: 40,
    milliseconds: 300,
  };
  const program = [process.execPath, join(import.meta.dirname, "requests.ts")];
  const told = await run(commandAt(world.sandbox.number, "edge", program), { input: JSON.stringify(load) });
  if (told.code !== 0) throw new Error(`the requests failed: ${told.stderr}`);
  const rates = JSON.parse(told.stdout) as Record<string, number[]>;
  const [own = [], others = []] = [rates[WITH], rates[WITHOUT]];
  return {
    what: "nginx, requests on kept connections",
    value: median(own.map((rate, turn) => rate / (others[turn] ?? 0))),
    unit: "of those without client certificates",
    goal: { least: 0.97 },
    from: `${short(median(own))} against ${short(median(others))} a second`,
  };
}

/** An upload straight to the host: on its way through the edge it would meet Cloudflare's limit of 100 MB. */
async function upload(world: World, { certificate, private_key }: PullCertificate): Promise<Figure[]> {
  const [file, folder] = [emptyFile(GIB), mkdtempSync(join(tmpdir(), "immich-access-bench-"))];
  const pem = join(folder, "client.pem");
  writeFileSync(pem, certificate + private_key, { mode: 0o600 });
  try {
    const sent = world.sandbox.runAtEdge([
      ...["curl", "--silent", "--show-error", "--fail", "--insecure", "--cert", pem, "--max-time", "300"],
      ...["--request", "POST", "--upload-file", file.path, "--resolve", `${UPLOADS}:443:${world.sandbox.origin.ipv4}`],
      ...["--write-out", "%{stderr}%{time_total}", `https://${UPLOADS}/api/assets`],
    ]);
    const samples = await lookUntil(world.sandbox, sent);
    const { code, stderr } = await sent;
    if (code !== 0) throw new Error(`the upload failed: ${stderr}`);
    const [first, ...later] = samples;
    if (first === undefined || later.length === 0) throw new Error("the upload was over before anybody looked");
    const most = Math.max(...samples.map(({ disk, temporary }) => Math.max(disk - first.disk, temporary)));
    return [
      {
        what: "nginx, most disk used during an upload of 1 GiB",
        value: most / 2 ** 20,
        unit: "MiB",
        goal: { most: 0 },
        from: `${short(GIB / Number(stderr))} MiB a second`,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true });
    file.remove();
  }
}

async function onHost({ sandbox }: World, command: string, input = ""): Promise<string> {
  const { code, stdout, stderr } = await sandbox.runOnHost(["sh", "-c", command], { input });
  if (code !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}
