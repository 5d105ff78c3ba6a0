// What a command prints, as the plugin shows it while the command runs and keeps it afterwards.
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** What a command left behind. */
export interface Output {
  /** Without the last line break. */
  stdout: string;
  stderr: string;
}

/** Which lines are shown while the command runs. */
export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";

/** Collects what a command prints to both of its streams. */
export class Transcript {
  readonly #parts = { stdout: "", stderr: "" };
  readonly #logging: Logging;
  readonly #show: (line: string) => void;
  /** Everything in the order in which it came. */
  both = "";

  /** @param show gets each line that `logging` lets through. */
  constructor(logging: Logging, show: (line: string) => void) {
    this.#logging = logging;
    this.#show = show;
  }

  get output(): Output {
    const { stdout, stderr } = this.#parts;
    return { stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") };
  }

  /** Takes what comes from a stream until `ended` is called. */
  collect(name: "stdout" | "stderr", stream: Readable): { ended(): void } {
    const decoder = new StringDecoder("utf8");
    const shows = this.#logging === "stdoutAndStderr" || this.#logging === name;
    let rest = "";
    const take = (text: string) => {
      this.#parts[name] += text;
      this.both += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      if (shows) lines.forEach(this.#show);
    };
    stream.on("data", (chunk: Buffer) => take(decoder.write(chunk)));
    return {
      ended: () => {
        take(decoder.end());
        if (shows && rest !== "") this.#show(rest);
      },
    };
  }
}
