// Starts, repairs and ends a sandbox. All that it creates is in the state folder's `sandbox/`, is named
// ia<N>-…, or is a process with the folder's name in its environment.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { withLock } from "../toolchain/lock.ts";
import { endDaemons } from "./daemon.ts";
import { SandboxError } from "./error.ts";
import { Host } from "./host/host.ts";
import { hostLayer } from "./host/layer.ts";
import { installImmich } from "./immich/install.ts";
import { EDGE, makeNetwork, ORIGIN, removeNetwork, resetHostNetwork, runAt } from "./network/network.ts";
import { apiPort, browserPort, numbers, ownProcess, type Claim } from "./numbers.ts";
import { apiDaemon, edgeDaemon, hostFolder, hostOf, networkIsThere, publicCa, sandboxFolder } from "./parts.ts";
import { prepareMachine } from "./prerequisites.ts";
import type { Sandbox } from "./sandbox.ts";

/** Longest path of a unix socket (unix(7)), and the longest name of ours in the sandbox's folder. */
const SOCKET_PATH = 107;
const SOCKET_NAME = "/edge.sock".length;

export interface SandboxOptions {
  /** The checkout. Default: this one. */
  projectDir?: string;
  /**
   * Where everything of the sandbox lies. Default: the checkout's `.state`. A sandbox in any other folder belongs to
   * the calling process: once that has ended, the next start of any sandbox removes what is left of it.
   */
  stateDir?: string;
  /** Receives a line about each slow step. Default: silent. */
  report?: (line: string) => void;
}

/** What runs of a sandbox. */
export interface SandboxStatus {
  number: number;
  network: boolean;
  host: boolean;
  api: boolean;
  edge: boolean;
  immich: boolean;
}

function settled(options: SandboxOptions) {
  const own = join(resolve(options.projectDir ?? join(import.meta.dirname, "../..")), ".state");
  const stateDir = resolve(options.stateDir ?? own);
  return { stateDir, kept: stateDir === own, report: options.report ?? (() => undefined) };
}

/**
 * Starts the sandbox, or those parts of it that have ended: networks, API double, edge, host, Immich. What runs in the version of
 * this checkout is left alone. From nothing usually 5 s, with everything running half a second.
 * @throws SandboxError with one line about what is wrong and what to do.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { stateDir, kept, report } = settled(options);
  const folder = sandboxFolder(stateDir);
  if (folder.length + SOCKET_NAME > SOCKET_PATH) {
    throw new SandboxError(
      `${folder} is too long a path for a unix socket: move the checkout to one of at most ${SOCKET_PATH - SOCKET_NAME} characters`,
    );
  }
  await prepareMachine(report);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return await locked(stateDir, report, async () => {
      await numbers.sweep(removeClaimed, report);
      const claim = await ownClaim(stateDir, kept);
      await bringUp(stateDir, claim.number, report);
      return describe(stateDir, claim.number);
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOSPC" && code !== "EROFS" && code !== "EDQUOT") throw error;
    throw new SandboxError(`the sandbox cannot be started, ${stateDir} takes no more: ${(error as Error).message}`);
  }
}

/**
 * Ends the sandbox and everything that it or an earlier one of this folder left, also after a crash. State stays, and as
 * long as it does the sandbox has its number: no other gets the addresses that the stack's state knows.
 */
export async function stopSandbox(options: SandboxOptions = {}): Promise<void> {
  const { stateDir, report } = settled(options);
  if (!existsSync(sandboxFolder(stateDir)) && ownClaims(stateDir).length === 0) return;
  mkdirSync(sandboxFolder(stateDir), { recursive: true, mode: 0o700 });
  const end = async () => {
    for (const claim of ownClaims(stateDir)) await numbers.holding(claim, () => takeDown(claim));
    await endDaemons(sandboxFolder(stateDir));
    await numbers.sweep(removeClaimed, report);
  };
  await locked(stateDir, report, end).catch((error: unknown) => {
    // On a full disk there is no lock, and what fills it may be this sandbox.
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    return end();
  });
}

/** What runs of the sandbox; undefined when none was started or all was ended. */
export async function sandboxStatus(options: SandboxOptions = {}): Promise<SandboxStatus | undefined> {
  const { stateDir } = settled(options);
  const number = ownClaims(stateDir)[0]?.number;
  if (number === undefined) return undefined;
  const host = hostOf(stateDir, number);
  const immich = async () => host.running && (await host.inside(["systemctl", "is-active", "-q", "immich"])).code === 0;
  const parts = { network: networkIsThere(number), host: host.running };
  const [api, edge, isActive] = await Promise.all([
    apiDaemon(stateDir, number).running(),
    edgeDaemon(stateDir, number).running(),
    immich(),
  ]);
  const status = { ...parts, api, edge, immich: isActive };
  return Object.values(status).includes(true) ? { number, ...status } : undefined;
}

/**
 * Variables for programs on this machine that ask a site through the sandbox's edge, at the address for browsers. Empty
 * as long as no sandbox of the folder was started.
 */
export function edgeEnvironment(options: SandboxOptions = {}): Record<string, string> {
  const { stateDir } = settled(options);
  const number = formerNumber(stateDir);
  if (number === undefined) return {};
  return {
    // The edge tells sites apart by their names, as Cloudflare does.
    IMMICH_ACCESS_CONNECT_TO: `::127.0.0.1:${browserPort(number)}`,
    NODE_EXTRA_CA_CERTS: publicCa(stateDir),
  };
}

function locked<T>(stateDir: string, report: (line: string) => void, work: () => Promise<T>): Promise<T> {
  const waiting = (pid: number) => report(`process ${pid} is starting or ending this sandbox: waiting for it`);
  return withLock(join(sandboxFolder(stateDir), "lock"), work, waiting);
}

const ownClaims = (stateDir: string): Claim[] => numbers.claims().filter((claim) => claim.stateDir === stateDir);

/** The claim of this folder's sandbox; other claims of the folder are removed with their sandboxes. */
async function ownClaim(stateDir: string, kept: boolean): Promise<Claim> {
  const [claim, ...older] = ownClaims(stateDir);
  for (const one of older) await numbers.giveBack(one, takeDown);
  if (claim !== undefined) return claim;
  const owner = kept ? undefined : ownProcess();
  // After a boot of the machine no claim is left. With its former number a sandbox keeps its addresses, and pulumi up
  // finds nothing changed.
  const former = formerNumber(stateDir);
  const made = numbers.claim(1, { stateDir, hostFolder: hostFolder(stateDir), owner }, former);
  writeFileSync(numberFile(stateDir), String(made.number), { mode: 0o600 });
  return made;
}

const numberFile = (stateDir: string) => join(sandboxFolder(stateDir), "number");

/** The number that the folder's sandbox has, or had when it ran last. */
function formerNumber(stateDir: string): number | undefined {
  const file = numberFile(stateDir);
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
}

async function takeDown({ number, stateDir, hostFolder: folder }: Claim): Promise<void> {
  if (stateDir !== undefined) await endDaemons(sandboxFolder(stateDir));
  await new Host({ number, folder, layer: "" }).park();
  await removeNetwork(number);
}

/** Removes a claim's sandbox when its owner has ended. */
export async function removeClaimed(claim: Claim): Promise<void> {
  await takeDown(claim);
  rmSync(claim.hostFolder, { recursive: true, force: true });
}

async function bringUp(stateDir: string, number: number, report: (line: string) => void): Promise<void> {
  const [api, edge] = [apiDaemon(stateDir, number), edgeDaemon(stateDir, number)];
  const present = hostOf(stateDir, number);
  const fresh = !networkIsThere(number);
  if (fresh) {
    await Promise.all([edge.stop(), present.halt()]);
    await makeNetwork(number);
  }
  const startApi = async () => {
    if (await api.running()) return;
    report("Starting the sandbox's Cloudflare API (usually 1 s)");
    await api.start();
  };
  const [layer] = await Promise.all([present.running ? "" : hostLayer(report), startApi()]);
  const startEdge = async () => {
    if (await edge.running()) return;
    report("Starting the sandbox's edge (usually 1 s)");
    await edge.start();
  };
  const startHost = async () => {
    const host = hostOf(stateDir, number, layer);
    if (!present.running) {
      report("Booting the sandbox host (usually 3 s)");
      await host.halt();
      if (!fresh) await resetHostNetwork(number);
      await host.boot();
    }
    await installImmich(host);
  };
  await Promise.all([startEdge(), startHost()]);
}

function describe(stateDir: string, number: number): Sandbox {
  const host = hostOf(stateDir, number);
  const apiAddress = `http://127.0.0.1:${apiPort(number)}`;
  return {
    number,
    apiUrl: `${apiAddress}/client/v4`,
    statusUrl: `${apiAddress}/`,
    token: readFileSync(join(sandboxFolder(stateDir), "api", "token"), "utf8").trim(),
    publicCaPath: publicCa(stateDir),
    edge: EDGE,
    origin: ORIGIN,
    sshTarget: {
      host: host.address,
      hostKey: host.hostKey,
      privateKey: readFileSync(host.keyFile, "utf8"),
      keyFile: host.keyFile,
    },
    browserUrl: (hostname) => `https://${hostname}:${browserPort(number)}/`,
    ssh: (command) => host.ssh(command.map(quoted).join(" ")),
    runOnHost: (command, input) => host.inside(command, input),
    runAsStranger: (command, options) => runAt(number, "out", command, options),
    runAtEdge: (command, options) => runAt(number, "edge", command, options),
  };
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
