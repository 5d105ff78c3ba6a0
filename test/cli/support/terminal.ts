import { type ChildProcess, spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";

export const ENTER = "\r";
export const CTRL_C = "\x03";

/** A program on a terminal of its own, which `script` of util-linux makes. */
export class Terminal {
  /** All that the program has written, without colours and cursor movements. */
  public shown = "";
  private readonly child: ChildProcess;
  private readonly ended: Promise<number>;
  private read = 0;
  private changed = () => undefined as void;

  /** @param command file and arguments, of which none needs quoting for a shell. */
  public constructor(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    const line = ["stty", "rows", "50", "cols", "200;", "exec", ...command].join(" ");
    this.child = spawn("script", ["--quiet", "--flush", "--return", "--command", line, "/dev/null"], {
      cwd,
      env: { ...process.env, ...env, SHELL: "/bin/sh", TERM: "xterm" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.shown += stripVTControlCharacters(chunk.toString());
      this.changed();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("close", (code) => {
        this.changed();
        resolve(code ?? -1);
      });
    });
  }

  /** Waits for a text as `until` does, then types. */
  public async answer(question: string, keys: string): Promise<void> {
    await this.until(question);
    this.child.stdin?.write(keys);
  }

  /** Waits until the program has written a text after the one that was waited for last. */
  public async until(text: string): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const at = this.shown.indexOf(text, this.read);
      if (at >= 0) {
        this.read = at + text.length;
        return;
      }
      if (this.child.exitCode !== null || Date.now() > deadline) {
        this.child.kill();
        throw new Error(`no «${text}» in:\n${this.shown}`);
      }
      await new Promise<void>((resolve) => {
        this.changed = resolve;
        setTimeout(resolve, 500);
      });
    }
  }

  /** The exit status, once the program has ended. */
  public end(): Promise<number> {
    return this.ended;
  }
}
