// Keeps the state in memory and on disk: every change is on disk before it is answered.

import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { State } from "./state.ts";

/** Writes a file so that a reader, or a start after a crash, sees the old or the new text and no mixture. */
export function writeAtomically(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The state of the API double. Changes are synchronous, so no request ever sees half of another's. */
export class Store {
  readonly #path: string;
  readonly #start = randomUUID().slice(0, 8);
  readonly #events = new EventEmitter().setMaxListeners(0);
  #revision = 0;
  #state: State;

  /**
   * @param path JSON file, made with mode 0600 if it is not there.
   * @param first makes the state of a first start.
   * @param completed adds to an older state what it lacks.
   */
  constructor(path: string, first: () => State, completed: (state: State) => State) {
    this.#path = path;
    const text = readIfPresent(path);
    if (text === undefined) {
      this.#state = first();
      this.#save();
      return;
    }
    try {
      this.#state = completed(JSON.parse(text) as State);
    } catch {
      throw new Error(`${path} is not JSON; remove it to start the sandbox's Cloudflare from the beginning`);
    }
    if (this.#state.version !== 1) {
      throw new Error(`${path} has format ${String(this.#state.version)}, this version reads format 1; remove it`);
    }
  }

  /** The current state. Change it only through `change`. */
  get state(): Readonly<State> {
    return this.#state;
  }

  /** Names this state: differs after every change and after every start of the process. */
  get tag(): string {
    return `${this.#start}-${this.#revision}`;
  }

  /** Applies a change, saves it and wakes the waiters. If `edit` throws, nothing has changed. */
  change<T>(edit: (state: State) => T): T {
    const draft = structuredClone(this.#state);
    const result = edit(draft);
    const before = this.#state;
    this.#state = draft;
    try {
      this.#save();
    } catch (error) {
      this.#state = before;
      throw error;
    }
    this.#revision += 1;
    this.#events.emit("change");
    return result;
  }

  /** Resolves when the state no longer is the one that `tag` names, or after `milliseconds`. */
  async differs(tag: string, milliseconds: number): Promise<boolean> {
    if (tag !== this.tag) return true;
    const signal = AbortSignal.timeout(milliseconds);
    await once(this.#events, "change", { signal }).catch(() => undefined);
    return tag !== this.tag;
  }

  #save(): void {
    writeAtomically(this.#path, JSON.stringify(this.#state, null, 1));
  }
}
