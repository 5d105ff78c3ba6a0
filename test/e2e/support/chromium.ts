// A real browser on this machine, for the pages that people see.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";
import { installPackages } from "../../../dev/sandbox/prerequisites.ts";
import { run } from "../../../dev/sandbox/run.ts";

/** Debian's browser, or the one that GitHub's runners have. */
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/google-chrome"];
/** Writes the database of trusted CAs that both of them read. */
const CERTUTIL = "/usr/bin/certutil";

/** Limit against hanging: pages of the sandbox take well below a second, on a busy machine a few. */
const PATIENCE_MS = 20_000;

const installed = (): string | undefined => BROWSERS.find((path) => existsSync(path));

/**
 * Installs Debian's Chromium, and the tool that makes it trust a CA, where they are missing: a download of
 * about 100 MB. Tests have time limits that this would break, so `npm test` calls it before them.
 * @returns the browser's path.
 * @throws SandboxError with one line about what apt-get could not do.
 */
export async function installChromium(report: (line: string) => void): Promise<string> {
  const packages = [...(installed() ? [] : ["chromium"]), ...(existsSync(CERTUTIL) ? [] : ["libnss3-tools"])];
  if (packages.length > 0) {
    report(`Installing ${packages.join(", ")}: the tests open the site in a browser (usually 30 to 60 s)`);
    await installPackages(packages);
  }
  const browser = installed();
  if (browser === undefined) throw new Error(`none of ${BROWSERS.join(", ")} is there: install chromium`);
  if (!existsSync(CERTUTIL)) throw new Error(`${CERTUTIL} is not there: install libnss3-tools`);
  return browser;
}

/** A new browser without history, which knows no hosts but those of this machine. */
export interface Browser {
  context: BrowserContext;
  close(): Promise<void>;
}

/**
 * Opens a browser.
 * @param caPath PEM file of the only CA that it trusts besides its own: certificates are checked as everywhere.
 */
export async function openBrowser(caPath: string, report: (line: string) => void): Promise<Browser> {
  const executablePath = await installChromium(report);
  const home = mkdtempSync(join(tmpdir(), "immich-access-browser-"));
  const remove = () => rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  try {
    await trust(join(home, ".pki/nssdb"), caPath);
    const context = await chromium.launchPersistentContext(join(home, "profile"), {
      executablePath,
      args: [
        "--disable-gpu",
        "--disable-quic",
        "--no-proxy-server",
        // A question for any other name fails at once instead of waiting for a network that may not be there.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
      ],
      env: { ...process.env, HOME: home },
      timeout: 60_000,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    return {
      context,
      close: async () => {
        await context.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Makes a database of trusted CAs with one in it. */
async function trust(database: string, caPath: string): Promise<void> {
  mkdirSync(database, { recursive: true, mode: 0o700 });
  const make = ["-N", "--empty-password"];
  const add = ["-A", "-n", "sandbox", "-t", "C,,", "-i", caPath];
  for (const command of [make, add]) {
    const { code, stderr } = await run([CERTUTIL, "-d", `sql:${database}`, ...command]);
    if (code !== 0) throw new Error(`${CERTUTIL} ${command.join(" ")} fails: ${stderr.trim()}`);
  }
}
