// Everything that can go wrong in an operation: each of its requests in each way in which requests fail, each of its
// steps on the host in each way in which those do.

import { setTimeout as sleep } from "node:timers/promises";
import type { Options } from "../../../dev/sandbox/api/state.ts";
import type { Entry } from "../../../dev/sandbox/api/journal.ts";
import type { World } from "../../e2e/support/world.ts";
import { killEngine } from "./engine.ts";
import type { Laboratory, Reference } from "./laboratory.ts";
import { immichAnswers } from "./snapshot.ts";
import { type Moment, strike } from "./moments.ts";
import type { Admission } from "./relay.ts";
import type { Operation } from "./operations.ts";
import { DELAYS, WAYS } from "./ways.ts";

/** A fault that waits for its operation to come along. */
export interface Armed {
  /** Ends it once the operation is over. Rejects if it never happened. */
  end(): Promise<void>;
}

export interface Fault {
  /** What fails and how, as a path: unique, and how the command line selects it. */
  name: string;
  operation: Operation;
  arm(laboratory: Laboratory): Promise<Armed>;
  /** Whether the engine is killed, which leaves its lock. */
  killsEngine?: true;
  /** Whether SSH is away for a while, because the host is. */
  reboots?: true;
  /**
   * Whether what the state still has is gone at Cloudflare. The provider treats the 404 that its next deletion gets as an
   * error, so what follows has to read everything first: `--refresh`.
   */
  needsRefresh?: boolean;
}

/** The most that an engine takes to come to a request or to a step, in milliseconds, on a busy machine. */
const PATIENCE_MS = 60_000;
/** How many moments of a step are tried, spread evenly over all that it has. */
const MOMENTS = 6;
const UNCERTAIN = 2;

/** All faults of an operation. */
export function faultsOf(operation: Operation, { requests, moments }: Reference): Fault[] {
  const named = requests.map((request, place) => ({ ...addressOf(request, requests.slice(0, place)), place }));
  const steps = [...new Set(moments.map(({ step }) => step))];
  return [
    ...(operation === "up"
      ? Object.entries(DELAYS).map(([what, options]) => delayFault(operation, what, options))
      : []),
    ...named.flatMap((request) =>
      Object.entries(WAYS)
        .filter(([, { lost, only }]) => !(lost && isRevocation(request)) && (only?.test(nameOf(request)) ?? true))
        .map(([way]) => requestFault(operation, request, way)),
    ),
    ...steps.flatMap((step, connection) =>
      stepFaults(operation, step, connection, spread(certain(moments.filter((moment) => moment.step === step)))),
    ),
  ];
}

/**
 * A certificate cannot be revoked twice, and the provider reads a revoked one as if it were in use: nothing but taking it
 * out of the state (docs/run-again.md) gets a stack past a revocation whose response was lost.
 */
const isRevocation = ({ method, path }: Address) => method === "DELETE" && path.startsWith("^/certificates/");

const nameOf = ({ method, path }: Address): string => `${method} ${shown(path)}`;

/** A pattern as people read it. */
const shown = (path: string): string => path.replaceAll("[^/]+", "*").replace(/^\^(.*)\$$/, "$1");

interface Address {
  method: string;
  /** Pattern of the path after `/client/v4`, the same in every run. */
  path: string;
  /** How many of the same method and pattern come before it. */
  skip: number;
}

const BASE = "/client/v4";
const PATTERN = (path: string) =>
  `^${path
    .slice(BASE.length)
    .replace(/\?.*/, "")
    .replace(/(?<=\/)([0-9a-f]{32}|[0-9a-f-]{36}|\d{16,})(?=\/|$)/g, "[^/]+")}$`;

function addressOf({ method, path }: Entry, before: readonly Entry[]): Address {
  const pattern = PATTERN(path);
  const same = before.filter((other) => other.method === method && PATTERN(other.path) === pattern);
  return { method, path: pattern, skip: same.length };
}

function delayFault(operation: Operation, what: string, delays: Partial<Options>): Fault {
  return {
    name: `${operation}/${what}`,
    operation,
    arm: async ({ world: { api } }) => {
      const { options } = await api.state();
      const begun = performance.now();
      await api.alter({ options: { ...options, ...delays } });
      return {
        end: async () => {
          const waited = performance.now() - begun;
          await api.alter({ options });
          if (waited < Math.max(...Object.values(delays).map(Number))) throw new Error("nothing has waited for it");
        },
      };
    },
  };
}

function requestFault(operation: Operation, { method, path, skip, place }: Address & { place: number }, way: string) {
  const { rule, lost = false, kills = false } = WAYS[way] ?? { rule: {} };
  const fault: Fault = {
    name: `${operation}/request ${String(place + 1).padStart(2, "0")} (${method} ${shown(path)})/${way}`,
    operation,
    needsRefresh: lost && method === "DELETE",
    ...(kills && { killsEngine: true }),
    arm: async ({ world: { api, deployment } }) => {
      const { id } = await api.fault({ outcome: "status", method, path, skip, times: 1, ...rule });
      const killed = kills
        ? api.faultHit(id, 1, PATIENCE_MS).then(async () => {
            killEngine(deployment);
            await api.clearFaults(id);
          })
        : Promise.resolve();
      // It may fail before anyone awaits it.
      killed.catch(() => undefined);
      return {
        end: async () => {
          await killed;
          const fault = (await api.faults()).find((one) => one.id === id);
          await api.clearFaults();
          if (!kills && fault?.hits !== 1) throw new Error("the request never came");
        },
      };
    },
  };
  return fault;
}

function stepFaults(operation: Operation, step: string, connection: number, moments: readonly Moment[]): Fault[] {
  const [middle, last] = [moments[Math.floor(moments.length / 2)], moments.at(-1)];
  if (!middle || !last) return [];
  const named = (what: string) => ({ name: `${operation}/${step}/${what}`, operation });
  const place = ({ call, nth }: Moment) => `at its ${call} ${nth}`;
  const at = (moment: Moment, signal: "KILL" | "STOP", act: Act = {}) => ({
    arm: (laboratory: Laboratory) => Promise.resolve(whenReached(laboratory, connection, moment, signal, act)),
  });
  return [
    { ...named("SSH refused"), arm: (laboratory) => Promise.resolve(refusing(laboratory, connection)) },
    {
      ...named(`SSH cut ${place(middle)}`),
      ...at(middle, "STOP", { stopped: ({ relay }) => relay.cut() }),
    },
    {
      ...named("answer lost"),
      ...at(last, "STOP", {
        stopped: ({ relay }) => relay.mute(),
        goesOn: async ({ world, relay }) => {
          await agentEnds(world);
          relay.cut();
        },
      }),
    },
    ...moments.map((moment) => ({ ...named(`killed ${place(moment)}`), ...at(moment, "KILL") })),
    {
      ...named(`host rebooted ${place(middle)}`),
      reboots: true,
      ...at(middle, "STOP", {
        stopped: async ({ world, host, relay }) => {
          await host.halt();
          relay.cut();
          await host.reboot();
          await immichAnswers(world);
        },
      }),
    },
    {
      ...named(`engine killed ${place(middle)}`),
      killsEngine: true,
      ...at(middle, "STOP", { stopped: ({ world }) => killEngine(world.deployment) }),
    },
  ];
}

/** Refuses connections from a step's own on. */
function refusing({ relay }: Laboratory, connection: number): Armed {
  let refused = false;
  relay.admit = (number) => {
    if (number < connection) return "pass";
    refused = true;
    return "refuse";
  };
  return {
    end: () => {
      relay.reset();
      return refused ? Promise.resolve() : Promise.reject(new Error("nobody connected"));
    },
  };
}

/** What is done to a step. */
interface Act {
  /** While the agent is stopped at the moment. */
  stopped?: (laboratory: Laboratory) => void | Promise<void>;
  /** Once it goes on. */
  goesOn?: (laboratory: Laboratory) => Promise<void>;
}

/** Kills or stops the agent at a moment of the step that comes with a connection. */
function whenReached(
  laboratory: Laboratory,
  connection: number,
  moment: Moment,
  signal: "KILL" | "STOP",
  { stopped, goesOn }: Act,
): Armed {
  const { relay } = laboratory;
  let struck: Promise<void> | undefined;
  relay.admit = async (number): Promise<Admission> => {
    if (number === connection) {
      const agent = await strike(laboratory.hostPid, moment, signal);
      const act = async () => {
        try {
          await agent.reached();
          await stopped?.(laboratory);
        } finally {
          await agent.end();
        }
        await goesOn?.(laboratory);
      };
      struck = act();
      // It may fail before anyone awaits it.
      struck.catch(() => undefined);
    }
    return "pass";
  };
  return {
    end: async () => {
      if (!struck) throw new Error(`the step ${moment.step} never came`);
      await struck;
      relay.reset();
    },
  };
}

async function agentEnds({ sandbox }: World): Promise<void> {
  const look = ["pgrep", "--full", "python3 -I -c import json"];
  for (const end = Date.now() + PATIENCE_MS; (await sandbox.runOnHost(look)).code === 0; await sleep(20)) {
    if (Date.now() > end) throw new Error("the agent does not end");
  }
}

/** Without the last programs that a step starts: it asks systemd once or twice more on a busy machine, or not. */
function certain(moments: readonly Moment[]): Moment[] {
  const programs = moments.filter(({ call }) => call === "vfork").length;
  return moments.filter(({ call, nth }) => call !== "vfork" || nth <= programs - UNCERTAIN);
}

/** Some of the moments, evenly spread, with the first and the last. */
function spread(moments: readonly Moment[]): Moment[] {
  if (moments.length <= MOMENTS) return [...moments];
  const places = Array.from({ length: MOMENTS }, (_, index) =>
    Math.round((index * (moments.length - 1)) / (MOMENTS - 1)),
  );
  return moments.filter((_, place) => places.includes(place));
}
