// Strangers on the internet and neighbours at home who try every way to a port, past nginx, all the time.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { commandAt, LAN, ORIGIN, type Place, STRANGER } from "../../../dev/sandbox/network/network.ts";
import { IMMICH } from "./docker.ts";
import type { TestHost } from "../../support/host.ts";
import { PYTHON } from "../../support/python.ts";

/** One way to a port of the host or of a container. */
export interface Way {
  /** Who tries, and where: `stranger 198.51.100.10:2283`. */
  name: string;
  /** The same for several ways that are one to a person: a container has another address whenever it is made anew. */
  kind: string;
  from: Place;
  /** The interface that the frames leave there. */
  device: string;
  /** The hardware address that they are for. */
  mac: string;
  /** Whose address they bear. */
  source: string;
  address: string;
  port: number;
  /** Rounds of 2 ms from one try to the next. Default: 1. */
  every?: number;
}

/** An answer, or many in a row. */
export interface Answered {
  count: number;
  /** When the first and the last of them came, in milliseconds of `Date.now()`. */
  at: number;
  until: number;
}

interface Told {
  rounds: number;
  gap: number;
  answers: Record<string, Answered>;
}

/** What came of a watch. */
export interface Watched {
  /** Of the ways that answered, by name. */
  answers: Record<string, Answered>;
  /** Tries of each way, at least. */
  rounds: number;
  /** The longest time without a try, in milliseconds. */
  gap: number;
}

/** SSH's port answers always, so it shows that somebody watches; tried every 50 ms. */
const CONTROL = { port: 22, every: 25 };
/** How the name of such a way ends. */
const CONTROLS = / \(control\)$/;

/** Longer than a busy machine keeps a process waiting: without a try for so long, nobody watched. */
const GAP_MS = 5_000;

/** No answer came by a way that is always open. */
class NobodyWatchedError extends Error {}

const WATCH = join(import.meta.dirname, "watch.py");

const familyOf = (address: string) => (address.includes(":") ? "ipv6" : "ipv4");
const shown = (address: string, port: number) =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

/** What there is to try, beside the host's own addresses. */
export interface Targets {
  /** The ports of the host that lead to Immich. */
  ports: readonly number[];
  /** Addresses of containers and of the host in their networks, all tried by who is beside the host. */
  containers: readonly string[];
}

/** All ways to Immich of a stranger and of a neighbour at home, who puts whatever address he likes into his packets. */
export async function waysTo(host: TestHost, { ports, containers }: Targets): Promise<Way[]> {
  const [router, lan0, linkLocal] = await Promise.all([
    first(host.from("net", "cat /sys/class/net/to-out/address")),
    first(host.inside("cat /sys/class/net/lan0/address")),
    first(host.inside("ip -6 -o addr show dev lan0 scope link | grep -o 'fe80[^/]*'")),
  ]);
  const stranger = (address: string, port: number): Way => {
    const name = `stranger ${shown(address, port)}`;
    return {
      name,
      kind: name,
      from: "out",
      device: "eth0",
      mac: router,
      source: STRANGER[familyOf(address)],
      address,
      port,
    };
  };
  const neighbour = (address: string, port: number, kind?: string): Way => {
    const name = `neighbour ${shown(address, port)}`;
    const source = LAN.neighbour[familyOf(address)];
    return { name, kind: kind ?? name, from: "lan", device: "eth0", mac: lan0, source, address, port };
  };
  const straight = (address: string, port: number) =>
    neighbour(address, port, `neighbour, straight to a container, ${familyOf(address)}`);
  const own = [ORIGIN.ipv4, ORIGIN.ipv6];
  const beside = [...own, LAN.host.ipv4, LAN.host.ipv6, linkLocal, "127.0.0.1", "::1"];
  const control = (way: Way): Way => ({ ...way, ...CONTROL, name: `${way.name} (control)` });
  return [
    ...ports.flatMap((port) => own.map((address) => stranger(address, port))),
    ...ports.flatMap((port) => beside.map((address) => neighbour(address, port))),
    ...containers.map((address) => straight(address, IMMICH.port)),
    ...own.map((address) => control(stranger(address, CONTROL.port))),
    ...[LAN.host.ipv4, LAN.host.ipv6].map((address) => control(neighbour(address, CONTROL.port))),
  ];
}

/** A stranger's ways to a port that is none of ours. */
export async function servicesOf(host: TestHost, port: number): Promise<Way[]> {
  const ways = await waysTo(host, { ports: [port], containers: [] });
  return ways.filter(({ from }) => from === "out");
}

async function first(said: Promise<{ stdout: string; stderr: string }>): Promise<string> {
  const { stdout, stderr } = await said;
  const line = stdout.trim().split("\n")[0];
  if (!line) throw new Error(`the host's addresses are not to be had: ${stderr}`);
  return line;
}

/** Which kinds of ways are open now. It looks again if it saw nothing: the first packets may wait for ARP. */
export async function openNow(host: TestHost, ways: readonly Way[]): Promise<string[]> {
  const look = async () => (await start(host, "once", ways))();
  const { answers } = await look().catch((error: unknown) => {
    if (error instanceof NobodyWatchedError) return look();
    throw error;
  });
  return [...new Set(ways.filter(({ name }) => name in answers).map(({ kind }) => kind))];
}

/** Tries each way every 2 ms until the function that this resolves to is called, which tells what has answered. */
export function watch(host: TestHost, ways: readonly Way[]): Promise<() => Promise<Watched>> {
  return start(host, "watch", ways);
}

async function start(host: TestHost, mode: "once" | "watch", ways: readonly Way[]) {
  const places = [...new Set(ways.map(({ from }) => from))];
  const started = await Promise.all(
    places.map((place) =>
      startAt(
        host,
        mode,
        place,
        ways.filter(({ from }) => from === place),
      ),
    ),
  );
  return async (): Promise<Watched> => {
    const told = await Promise.all(started.map((end) => end()));
    const answers = Object.assign({}, ...told.map((one) => one.answers)) as Record<string, Answered>;
    const blind = ways.filter(({ name }) => CONTROLS.test(name) && !(name in answers));
    if (blind.length > 0) throw new NobodyWatchedError(`nobody watched: ${blind.map(({ name }) => name).join(", ")}`);
    const gap = Math.max(...told.map((one) => one.gap));
    if (gap > GAP_MS) throw new Error(`nobody watched for ${gap} ms`);
    return {
      answers: Object.fromEntries(Object.entries(answers).filter(([name]) => !CONTROLS.test(name))),
      rounds: Math.min(...told.map(({ rounds }) => rounds)),
      gap,
    };
  };
}

async function startAt(host: TestHost, mode: string, place: Place, ways: readonly Way[]): Promise<() => Promise<Told>> {
  const own = ways.map(({ from: _, kind: __, ...way }) => way);
  const command = [PYTHON, "-IB", WATCH, mode, JSON.stringify(own)];
  const [file = "", ...args] = commandAt(host.number, place, command);
  // It ends with its standard input, so with the test, however that ends.
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(child, "close");
  let output = "";
  const ready = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      resolve();
    });
  });
  await Promise.race([ready, closed]);
  return async () => {
    if (mode === "watch") child.stdin.end();
    const [code] = (await closed) as [number | null];
    if (code !== 0) throw new Error(`nobody watched from ${place}: ${file} ended with ${code ?? "a signal"}`);
    return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Told;
  };
}
