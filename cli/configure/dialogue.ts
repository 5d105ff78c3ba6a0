import * as clack from "@clack/prompts";
import { CommandError } from "../lib/command.ts";

/** The user cancelled at a question. */
export class Cancelled extends Error {}

/** One question to the user. Its flag answers it without a terminal. */
export interface Question {
  /** Name of the flag, without the dashes. */
  flag: string;
  message: string;
  /** The proposed answer: the present setting, or what was found. */
  initial?: string | undefined;
  /** The problem with an answer, shown after it; `undefined` if there is none. */
  problem?: (value: string) => string | undefined;
}

/** One of the answers to choose from. */
export interface Choice {
  value: string;
  label: string;
  /** Other spellings of the label, for the flag. */
  aliases?: readonly string[];
  hint?: string;
}

/** Flags by name, as `parseArgs` returns them. */
export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** Asks on a terminal. Without one, the flags answer, then the proposals. */
export class Dialogue {
  public readonly interactive: boolean;
  private readonly flags: Map<string, Flags[string]>;
  /** Answers of this run, which are proposed when a question is asked again. */
  private readonly answers = new Map<string, string>();
  /** What takes back changes of this run, the first one first. */
  private readonly undos: (() => void)[] = [];

  public constructor(flags: Flags, interactive: boolean) {
    this.flags = new Map(Object.entries(flags));
    this.interactive = interactive;
  }

  /** A line of text. */
  public async text(question: Question): Promise<string> {
    const { message, problem } = question;
    const initial = this.answers.get(question.flag) ?? question.initial;
    return this.answer({ ...question, initial }, () =>
      clack.text({
        message,
        ...(initial !== undefined && { initialValue: initial }),
        validate: (value = "") => (value === "" ? "needs an answer" : problem?.(value)),
      }),
    );
  }

  /** Several texts, on a terminal separated by commas. An empty list is accepted only if it was proposed. */
  public async list(question: Omit<Question, "initial"> & { initial: readonly string[] }): Promise<string[]> {
    const given = this.flags.get(question.flag);
    const split = (value: string) => value.split(/[\s,]+/).filter((item) => item !== "");
    const problem = (value: string) =>
      split(value)
        .map((item) => question.problem?.(item))
        .find(Boolean);
    if (Array.isArray(given)) {
      const joined = given.join(",");
      this.refuse(question.flag, joined, problem(joined));
      return split(joined);
    }
    if (!this.interactive) return [...question.initial];
    const answer = await clack.text({
      message: question.message,
      initialValue: this.answers.get(question.flag) ?? question.initial.join(", "),
      validate: (value = "") => problem(value),
    });
    return split(this.remember(question.flag, answer));
  }

  /** One of several. The flag takes a choice's value, its label or an alias. */
  public async choose(question: Question, choices: readonly Choice[]): Promise<string> {
    const { message, initial } = question;
    const given = this.flags.get(question.flag);
    const [only] = choices;
    if (typeof given === "string") {
      const found = choices.find(({ value, label, aliases = [] }) => [value, label, ...aliases].includes(given));
      if (found) return found.value;
      const names = choices.map(({ label }) => label).join(", ");
      throw new CommandError(`--${question.flag} ${given} is none of: ${names || "(there is none)"}`);
    }
    if (only && choices.length === 1) return only.value;
    return this.answer({ ...question, problem: () => undefined }, () =>
      clack.select({ message, options: [...choices], ...(initial !== undefined && { initialValue: initial }) }),
    );
  }

  /** Yes or no. `--flag` means yes and `--no-flag` no. Without a terminal and a flag the answer is no. */
  public async confirm(message: string, initial: boolean, flag?: string): Promise<boolean> {
    const given = flag === undefined ? undefined : this.flags.get(flag);
    if (typeof given === "boolean") return given;
    if (!this.interactive) return false;
    const answer = await clack.confirm({ message, initialValue: initial });
    if (typeof answer !== "boolean") throw new Cancelled();
    return answer;
  }

  /** A secret, which is never shown. It has no flag, because other users of the machine can see flags. */
  public async secret(message: string, problem?: (value: string) => string | undefined): Promise<string> {
    const answer = await clack.password({
      message,
      validate: (value = "") => (value === "" ? "needs an answer" : problem?.(value)),
    });
    if (typeof answer !== "string") throw new Cancelled();
    return answer;
  }

  /** The values of a flag that can be given several times; `undefined` if it was not. */
  public texts(flag: string, problem: (value: string) => string | undefined): string[] | undefined {
    const given = this.flags.get(flag);
    if (!Array.isArray(given)) return undefined;
    for (const value of given as readonly string[]) this.refuse(flag, value, problem(value));
    return [...(given as readonly string[])];
  }

  /** Whether `--flag` or `--no-flag` was given; `undefined` if neither was. */
  public given(flag: string): boolean | undefined {
    const given = this.flags.get(flag);
    return typeof given === "boolean" ? given : undefined;
  }

  /** The value of a text flag. */
  public flag(name: string): string | undefined {
    const given = this.flags.get(name);
    return typeof given === "string" ? given : undefined;
  }

  /**
   * Runs `work`, which asks and tries the answers. On a terminal it runs again until the answers are right, and then
   * also asks for the flags in `flags`.
   */
  public async until<T>(flags: readonly string[], work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!this.interactive || !(error instanceof CommandError)) throw error;
        clack.log.error(error.message);
        for (const flag of flags) this.flags.delete(flag);
      }
    }
  }

  /** Says how a change that this run has made outside the settings is taken back, should they not be written. */
  public onTakeBack(undo: () => void): void {
    this.undos.push(undo);
  }

  /** Keeps the changes of this run outside the settings, which are written. */
  public settle(): void {
    this.undos.length = 0;
  }

  /** Takes back the changes of this run outside the settings, the last one first. */
  public takeBack(): void {
    for (const undo of this.undos.splice(0).reverse()) undo();
  }

  /** Shows a message while some work takes place. */
  public async during<T>(what: string, work: Promise<T>): Promise<T> {
    if (!this.interactive) return work;
    const spinner = clack.spinner();
    spinner.start(what);
    try {
      return await work;
    } finally {
      spinner.clear();
    }
  }

  /** Shows something that was found out. */
  public say(text: string): void {
    if (this.interactive) clack.log.success(text);
    else console.log(text);
  }

  /** Shows a warning. */
  public warn(text: string): void {
    if (this.interactive) clack.log.warn(text);
    else console.log(text);
  }

  private async answer(question: Question, prompt: () => Promise<string | symbol>): Promise<string> {
    const { flag, message, initial, problem } = question;
    const given = this.flags.get(flag);
    if (typeof given === "string" || !this.interactive) {
      const value = typeof given === "string" ? given : initial;
      if (value === undefined || value === "") throw new CommandError(`--${flag} is missing: ${message}`);
      this.refuse(flag, value, problem?.(value));
      return value;
    }
    return this.remember(flag, await prompt());
  }

  private refuse(flag: string, value: string, problem: string | undefined): void {
    if (problem !== undefined) throw new CommandError(`--${flag} ${value}: ${problem}`);
  }

  private remember(flag: string, answer: unknown): string {
    if (typeof answer !== "string") throw new Cancelled();
    this.answers.set(flag, answer);
    return answer;
  }
}
