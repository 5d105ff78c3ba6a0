import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PYTHON } from "../../support/python.ts";
import type { TestHost } from "../../support/host.ts";

const PROGRAM = readFileSync(join(import.meta.dirname, "nginx_directives.py"), "utf8");

/** What the host's nginx and all of its modules take in the `http` block, read from the programs themselves. */
export async function httpDirectives(host: TestHost): Promise<string[]> {
  const { code, stdout, stderr } = await host.inside(
    `${PYTHON} - /usr/sbin/nginx $(find /usr/lib/nginx /usr/share/nginx -name '*.so')`,
    { input: PROGRAM },
  );
  if (code !== 0) throw new Error(stderr);
  return stdout.trim().split("\n");
}
