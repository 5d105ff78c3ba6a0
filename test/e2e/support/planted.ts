import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Leak } from "./secrets.ts";
import type { World } from "./world.ts";

const JOURNAL = "logger";
const HOST_FILE = "/etc/immich-access-planted";
const HOST_LOG = "/var/log/nginx/access.log";

/** Puts a secret into every place where it must not be, each time quoted in another way; tells what is to be found. */
export async function plant(world: World, name: string, secret: string): Promise<Leak[]> {
  const { deployment, sandbox } = world;
  const state = join(deployment.folder, "backend/planted.json");
  const [edgeLog, apiLog] = ["logs/edge.log", "api/requests.jsonl"].map((file) =>
    join(world.stateDir, "sandbox", file),
  ) as [string, string];
  const brief = join(deployment.folder, "brief.json");

  writeFileSync(state, JSON.stringify({ nested: JSON.stringify({ secret }) }), { mode: 0o600 });
  appendFileSync(edgeLog, `planted ${Buffer.from(`x${secret}`).toString("base64")}\n`);
  appendFileSync(apiLog, `${JSON.stringify({ path: `/${encodeURIComponent(secret)}` })}\n`);
  deployment.transcript += `planted ${Buffer.from(secret).toString("hex")}\n`;
  writeFileSync(brief, Buffer.from(`xx${secret}`).toString("base64"), { mode: 0o644 });
  const shell = spawn("sh", ["-c", "read -r _", "planted", secret], { env: { ...process.env, PLANTED: secret } });
  await Promise.all([
    onHost(JOURNAL),
    onHost(`cat >${HOST_FILE}; chmod 640 ${HOST_FILE}`),
    onHost(`cat >>${HOST_LOG}`),
    sleep(1000),
  ]);
  shell.stdin.end();
  await once(shell, "close");
  rmSync(brief);

  const found: Omit<Leak, "secret">[] = [
    { place: "file", where: state },
    { place: "file", where: edgeLog },
    { place: "file", where: apiLog },
    { place: "output", where: "pulumi" },
    { place: "wide file", where: brief },
    { place: "arguments", where: "sh" },
    { place: "environment", where: "PLANTED of sh" },
    { place: "output", where: "journalctl on the host" },
    { place: "wide file", where: `${HOST_FILE} on the host` },
    { place: "file", where: `${HOST_LOG} on the host` },
  ];
  return found.map((leak) => ({ ...leak, secret: name }));

  async function onHost(command: string): Promise<void> {
    const { code, stderr } = await sandbox.runOnHost(["sh", "-c", command], { input: `${secret}\n` });
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
  }
}
