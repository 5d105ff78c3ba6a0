import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SandboxError } from "../error.ts";
import type { Host } from "../host/host.ts";

/** Files of the small Immich and the small immich-public-proxy beside it, and where they lie on the host. */
const FILES: Readonly<Record<string, string>> = {
  "immich.py": "/usr/local/lib/immich/immich.py",
  "immich.service": "/etc/systemd/system/immich.service",
  "public_proxy.py": "/usr/local/lib/immich/public_proxy.py",
  "immich-public-proxy.service": "/etc/systemd/system/immich-public-proxy.service",
};
const UNITS = "immich immich-public-proxy";

const PLACE = `mkdir -p "$(dirname "$1")"; cat >"$1.new"
if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; echo changed; fi`;

/** Makes sure that both run on the host, in the version of this checkout. */
export async function installImmich(host: Host): Promise<void> {
  let changed = false;
  for (const [file, target] of Object.entries(FILES)) {
    const input = readFileSync(join(import.meta.dirname, file), "utf8");
    const { code, stdout, stderr } = await host.inside(["sh", "-ec", PLACE, "place", target], { input });
    if (code !== 0) throw new SandboxError(`${target} cannot be written on the sandbox host: ${stderr.trim()}`);
    changed ||= stdout !== "";
  }
  const commands = changed
    ? `systemctl daemon-reload; systemctl enable -q ${UNITS}; systemctl restart ${UNITS}`
    : `systemctl start ${UNITS}`;
  const { code, stderr } = await host.inside(["sh", "-ec", commands]);
  if (code !== 0) throw new SandboxError(`Immich does not start on the sandbox host: ${stderr.trim()}`);
}
