import { parseArgs } from "node:util";
import manifest from "../../package.json" with { type: "json" };

/** A problem that the user can fix, in one line. */
export class CommandError extends Error {}

/** One option of a tool, as `parseArgs` takes it, with its help. */
interface Option {
  type: "string" | "boolean";
  short?: string;
  multiple?: boolean;
  default?: string | boolean;
  /** Placeholder for the value in the help; only for a string. */
  value?: string;
  help: string;
  /** Whether `--no-…` negates it; only for a boolean. */
  negatable?: boolean;
}

type Options = Readonly<Record<string, Option>>;

/** A command line tool of the project. */
export interface Tool<O extends Options> {
  /** Its script in package.json. */
  name: string;
  /** What it does. */
  summary: string;
  options: O;
  /** Text after the options; none by default. */
  notes?: string;
  /** Exit status after a problem that the user can fix; 1 by default. */
  failure?: number;
}

const VERSION = { type: "boolean", default: false, help: "show the version of the program" } as const;
const HELP = { type: "boolean", short: "h", default: false, help: "show this" } as const;

/** Its options by name, as they were given. */
export type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>["values"];

/**
 * Runs a tool with this process's arguments; the result of `work` is the exit status. `--help` and unknown arguments
 * show its options, `--version` the version of the program. A problem that the user can fix is printed as one line.
 */
export async function runTool<const O extends Options>(
  tool: Tool<O>,
  work: (values: Values<O>) => Promise<number>,
): Promise<void> {
  try {
    const { help, version, values } = readArguments(tool);
    if (help) console.log(usage(tool));
    else if (version) console.log(manifest.version);
    else process.exitCode = await work(values);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(error.message);
    process.exitCode = tool.failure ?? 1;
  }
}

function readArguments<O extends Options>(tool: Tool<O>): { help: boolean; version: boolean; values: Values<O> } {
  const options: Options = { ...tool.options, version: VERSION, help: HELP };
  const allowNegative = Object.values(options).some(({ negatable }) => negatable);
  try {
    const { help, version, ...values } = parseArgs({ options, allowNegative }).values;
    return { help: help === true, version: version === true, values: values as Values<O> };
  } catch (error) {
    const isUsage = error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
    if (!isUsage) throw error;
    throw new CommandError(`${error.message}\n\n${usage(tool)}`);
  }
}

/** The help of a tool. */
function usage({ name, summary, options, notes }: Tool<Options>): string {
  const all: Options = { ...options, version: VERSION, help: HELP };
  const rows = Object.entries(all).map(([option, { value, short, negatable, multiple, default: usual, help }]) => {
    const form = [
      ...(short === undefined ? [] : [`-${short}`]),
      `--${option}${value === undefined ? "" : ` ${value}`}`,
      ...(negatable ? [`--no-${option}`] : []),
    ].join(", ");
    const more = [
      ...(multiple ? ["may be repeated"] : []),
      ...(typeof usual === "string" ? [`default: ${usual}`] : []),
    ];
    return { form, help: [help, ...more].join("; ") };
  });
  const width = Math.max(...rows.map(({ form }) => form.length));
  const lines = rows.map(({ form, help }) => `  ${form.padEnd(width)}   ${help}`);
  return [
    `usage: npm run ${name} -- [OPTION …]`,
    summary,
    lines.join("\n"),
    ...(notes === undefined ? [] : [notes]),
  ].join("\n\n");
}
