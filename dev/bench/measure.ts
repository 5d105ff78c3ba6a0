import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { installPython } from "../../test/support/python.ts";
import { projectDir, stateDir } from "../commands/terminal.ts";
import { resolveToolchain } from "../toolchain/index.ts";
import { type Figure, line, meets, short } from "./figure.ts";
import { firewall } from "./firewall.ts";
import { forms } from "./forms.ts";
import { growth } from "./growth.ts";
import { nginx } from "./nginx.ts";
import type { Bench } from "./names.ts";
import { device, preview, site, ssh } from "./operations.ts";
import { packages } from "./packages.ts";
import { released } from "./released.ts";
import { deployedSite, type Site } from "./site.ts";

/** Benches that need no site or have their own, and those that share one. */
const ALONE = { packages, firewall, forms, growth, released };
const ON_A_SITE: Readonly<Record<Exclude<Bench, keyof typeof ALONE>, (site: Site) => Promise<Figure[]>>> = {
  nginx,
  preview,
  ssh,
  device,
  site,
};

/** Measures and prints; resolves to whether every goal was met. */
export async function measure(names: readonly string[]): Promise<boolean> {
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

/** The machine and versions of the measurement. */
async function machine(): Promise<string> {
  const toolchain = await resolveToolchain({ projectDir, stateDir });
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
