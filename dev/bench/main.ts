// `npm run bench [-- NAME …]`: the figures in the README, each measured against what it is compared with in the same run,
// on the same machine. The exit status is 1 if a goal is missed.

import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { installPython } from "../../test/support/python.ts";
import { resolveToolchain } from "../toolchain/index.ts";
import { type Figure, line, meets, short } from "./figure.ts";
import { firewall } from "./firewall.ts";
import { nginx } from "./nginx.ts";
import { device, preview, site, ssh } from "./operations.ts";
import { deployedSite, type Site } from "./site.ts";

/** What needs no site, and what is measured on one that they all share. */
const ALONE: Readonly<Record<string, () => Promise<Figure[]>>> = { firewall };
const ON_A_SITE: Readonly<Record<string, (site: Site) => Promise<Figure[]>>> = { nginx, preview, ssh, device, site };

const known = [...Object.keys(ALONE), ...Object.keys(ON_A_SITE)];
const asked = process.argv.slice(2);
const strange = asked.find((name) => !known.includes(name));
if (strange === undefined) {
  process.exitCode = (await measure(asked.length > 0 ? asked : known)) ? 0 : 1;
} else {
  console.error(`there is no bench ${JSON.stringify(strange)}; there are ${known.join(", ")}`);
  process.exitCode = 2;
}

/** Measures and prints; resolves to whether every goal was met. */
async function measure(names: readonly string[]): Promise<boolean> {
  await installPython((text) => {
    console.log(text);
  });
  console.log(await machine());
  let met = true;
  const print = (figures: readonly Figure[]) => {
    for (const figure of figures) console.log(line(figure));
    met &&= figures.every(meets);
  };
  for (const [name, bench] of Object.entries(ALONE)) if (names.includes(name)) print(await bench());
  const others = Object.entries(ON_A_SITE).filter(([name]) => names.includes(name));
  if (others.length > 0) {
    const deployed = await deployedSite();
    try {
      for (const [, bench] of others) print(await bench(deployed));
    } finally {
      await deployed.world.close();
    }
  }
  return met;
}

/** What all this is measured on. */
async function machine(): Promise<string> {
  const project = join(import.meta.dirname, "../..");
  const toolchain = await resolveToolchain({ projectDir: project, stateDir: join(project, ".state") });
  const parts = [
    `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"})`,
    `${short(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    // The hosts' nginx, ufw and OpenSSH are this release's.
    /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "an unknown system",
    `Node ${process.versions.node}`,
    toolchain.line,
  ];
  return parts.join(", ");
}
