import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PYTHON } from "../../support/python.ts";
import type { TestHost } from "../../support/host.ts";

const PROGRAM = readFileSync(join(import.meta.dirname, "nginx_directives.py"), "utf8");

/** The directives about which host/tests/test_nginx_inheritance.py asks the agent. */
const KNOWN = readFileSync(join(import.meta.dirname, "../../../host/tests/nginx-directives.txt"), "utf8").split(/\s+/);

/** What the host's nginx and its modules take in the `http` block, by their own tables, and the agent does not know. */
export async function unknownDirectives(host: TestHost): Promise<string[]> {
  const { code, stdout, stderr } = await host.inside(
    `${PYTHON} - /usr/sbin/nginx $(find /usr/lib/nginx /usr/share/nginx -name '*.so')`,
    { input: PROGRAM },
  );
  const present = stdout.trim().split("\n");
  if (code !== 0 || present.length < 400) throw new Error(`nginx has ${present.length} directives: ${stderr}`);
  return present.filter((name) => !KNOWN.includes(name));
}
