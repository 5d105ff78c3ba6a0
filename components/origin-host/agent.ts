import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { strToU8, zlibSync } from "fflate";

const HOST_FOLDER = join(import.meta.dirname, "../../host");

/** The host agent as it travels. */
interface AgentBundle {
  /** Unpacks the rest on the host and runs it. */
  bootstrap: string;
  /** What `packModules` makes of the agent's files. */
  archive: string;
}

/** The host agent's files as text, by their path below host/. */
export function agentModules(): Record<string, string> {
  const files = readdirSync(join(HOST_FOLDER, "agent"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(py|json|service|timer|path|socket|conf)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(HOST_FOLDER.length + 1))
    // Sorted, because the text is an input of resources: another order would look like a change.
    .sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(HOST_FOLDER, file), "utf8")]));
}

/**
 * Files as one short line: the state holds them twice for each step, and every operation reads and writes it. In Base64
 * because standard input is text. Node's own zlib does not compress alike on all processors, so a deployment from
 * another workstation would look like a change.
 */
export function packModules(modules: Readonly<Record<string, string>>): string {
  return Buffer.from(zlibSync(strToU8(JSON.stringify(modules)), { level: 9 })).toString("base64");
}

let bundle: AgentBundle | undefined;

/**
 * The host agent from host/. It travels with every step on the standard input of its SSH connection, so the host needs
 * nothing of ours beforehand and always runs the version that belongs to the program.
 */
function agentBundle(): AgentBundle {
  bundle ??= {
    bootstrap: readFileSync(join(HOST_FOLDER, "bootstrap.py"), "utf8"),
    archive: packModules(agentModules()),
  };
  return bundle;
}

/** Ends the shell script at the beginning of what a step gets on standard input. */
const END_OF_SCRIPT = ".";

/**
 * The command line that runs one step of the agent. A failing remote command prints it in full, so it carries nothing
 * secret, and no more than what reads a script from standard input, line by line and not a byte further. It goes through
 * `sh`, whatever the user's login shell is.
 */
export function agentCommand(step: string): string {
  const script = `s=; while IFS= read -r l && [ "$l" != ${END_OF_SCRIPT} ]; do s="$s\n$l"; done; [ "$l" = ${END_OF_SCRIPT} ] && eval "$s"`;
  return `sh -c '${script}' immich-access ${step}`;
}

/** What a step is asked. */
export interface AgentRequest {
  payload: unknown;
  /** Another one makes Pulumi run the step again; the host does not look at it. */
  revision?: number;
  /** Other files than host/ has, from `packModules`. */
  archive?: string;
}

/** What that command line reads: the script that starts the agent, the agent, and what it is asked. */
export function agentInput(request: AgentRequest): string {
  const launch = readFileSync(join(HOST_FOLDER, "launch.sh"), "utf8");
  return `${launch}${END_OF_SCRIPT}\n${JSON.stringify({ ...agentBundle(), ...request })}`;
}
