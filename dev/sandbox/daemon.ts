// Daemons: processes of the sandbox that outlive the command that started them. They are found again by a mark
// in their environment, so none is lost, whatever was killed and when.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SandboxError } from "./error.ts";
import { processState } from "./processes.ts";

const MARK = "IMMICH_ACCESS_DAEMON";
const LOG_LIMIT = 4 * 1024 * 1024;
/** Limit against hanging: they take 1 s, and many times that on a busy machine. */
const START_MS = 60_000;
const STOP_MS = 3_000;

/** The processes whose mark begins with `prefix`, with their marks. */
function marked(prefix: string): { pid: number; mark: string }[] {
  const wanted = `${MARK}=${prefix}`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const mark = environment(name).find((variable) => variable.startsWith(wanted));
      return mark === undefined ? [] : [{ pid: Number(name), mark: mark.slice(MARK.length + 1) }];
    });
}

/** Empty for processes that have ended, the kernel's own and those of other users. */
function environment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has already ended.
  }
}

async function end(prefix: string): Promise<void> {
  const deadline = Date.now() + STOP_MS;
  const seen = new Map<number, string | undefined>();
  const asked = new Set<number>();
  for (;;) {
    for (const { pid } of marked(prefix)) seen.set(pid, processState(pid)?.started);
    // One that is ending loses its environment before it gives its ports back.
    const left = [...seen].filter(([pid, started]) => {
      const state = processState(pid);
      return state?.alive && state.started === started;
    });
    if (left.length === 0) return;
    const late = Date.now() > deadline;
    for (const [pid] of left) {
      if (late) signal(pid, "SIGKILL");
      else if (!asked.has(pid)) signal(pid, "SIGTERM");
      asked.add(pid);
    }
    await sleep(20);
  }
}

/** Ends every process of the sandbox in `folder`. */
export const endDaemons = (folder: string): Promise<void> => end(`${folder} `);

export interface DaemonOptions {
  /** Name, in one word; also the name of its log. */
  name: string;
  /** The sandbox's folder; its logs are in `logs/`. */
  folder: string;
  command: readonly string[];
  /** Hash of the program's text: a process of another version is replaced. */
  version: string;
  /** Whether it works. */
  ready(): Promise<boolean>;
}

/** One such process. */
export class Daemon {
  private readonly options: DaemonOptions;
  private readonly prefix: string;

  public constructor(options: DaemonOptions) {
    this.options = options;
    this.prefix = `${options.folder} ${options.name} `;
  }

  /** Path of its log; mode 0600. */
  public get log(): string {
    return join(this.options.folder, "logs", `${this.options.name}.log`);
  }

  /** Whether it runs in this version and works. */
  public async running(): Promise<boolean> {
    const processes = marked(this.prefix);
    const current = processes.length === 1 && processes[0]?.mark === this.prefix + this.options.version;
    return current && (await this.options.ready());
  }

  /** Starts it and waits until it works. Throws SandboxError with the end of its log if it does not. */
  public async start(): Promise<void> {
    await this.stop();
    const [file = "", ...args] = this.options.command;
    const output = this.openLog();
    const child = spawn(file, args, {
      cwd: "/",
      detached: true,
      stdio: ["ignore", output, output],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, [MARK]: this.prefix + this.options.version },
    });
    closeSync(output);
    let ended: (() => string) | undefined;
    child.on("error", ({ message }) => (ended = () => message));
    child.on("exit", () => (ended = () => this.lastWords()));
    child.unref();
    const deadline = Date.now() + START_MS;
    while (!(await this.options.ready())) {
      if (ended !== undefined) throw new SandboxError(`the sandbox's ${this.options.name} has ended: ${ended()}`);
      if (Date.now() > deadline) {
        throw new SandboxError(`the sandbox's ${this.options.name} does not answer; see ${this.log}`);
      }
      await sleep(25);
    }
  }

  public stop(): Promise<void> {
    return end(this.prefix);
  }

  private openLog(): number {
    mkdirSync(join(this.options.folder, "logs"), { recursive: true, mode: 0o700 });
    if ((statSync(this.log, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT) renameSync(this.log, `${this.log}.old`);
    return openSync(this.log, "a", 0o600);
  }

  private lastWords(): string {
    // Fails on a full disk.
    if (statfsSync(this.options.folder).bavail === 0) return `${this.options.folder}: No space left on device`;
    return readFileSync(this.log, "utf8").trim().split("\n").at(-1) ?? "";
  }
}
