import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { strToU8, zlibSync } from "fflate";

const HOST_FOLDER = join(import.meta.dirname, "../../host");

/** The host agent as it is sent to a host. */
interface AgentBundle {
  /** Unpacks the rest on the host and runs it. */
  bootstrap: string;
  /** What `packModules` makes of the agent's files. */
  archive: string;
}

/** The host agent's files as text, by their path below host/. */
export function agentModules(): Record<string, string> {
  const files = readdirSync(join(HOST_FOLDER, "agent"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(py|json|service|timer|path|socket|conf|nft)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(HOST_FOLDER.length + 1))
    // The text is an input of resources, so another order would look like a change.
    .sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(HOST_FOLDER, file), "utf8")]));
}

/**
 * Packs files into one short line, because the state holds them twice for each step and every operation reads and
 * writes it. Base64, because standard input is text. Not Node's own zlib: its output differs between processors, so a
 * deployment from another workstation would look like a change.
 */
export function packModules(modules: Readonly<Record<string, string>>): string {
  return Buffer.from(zlibSync(strToU8(JSON.stringify(modules)), { level: 9 })).toString("base64");
}

let bundle: AgentBundle | undefined;

/**
 * The host agent from host/. Every step sends it over the standard input of its SSH connection, so a host needs no
 * prior installation and always runs the program's version.
 */
function agentBundle(): AgentBundle {
  bundle ??= {
    bootstrap: readFileSync(join(HOST_FOLDER, "bootstrap.py"), "utf8"),
    archive: packModules(agentModules()),
  };
  return bundle;
}

/** Ends the shell script with which a step's standard input begins. */
const END_OF_SCRIPT = ".";

/**
 * The command line that runs one step of the agent. It contains no secret, because the provider prints the command line
 * of a failed command. It only reads a script from standard input, line by line and not a byte further. It runs in
 * `sh`, whatever the user's login shell is.
 */
export function agentCommand(step: string): string {
  const script = `s=; while IFS= read -r l && [ "$l" != ${END_OF_SCRIPT} ]; do s="$s\n$l"; done; [ "$l" = ${END_OF_SCRIPT} ] && eval "$s"`;
  return `sh -c '${script}' immich-access ${step}`;
}

/** The request to a step. */
export interface AgentRequest {
  payload: unknown;
  /** A change makes Pulumi run the step again; the host ignores it. */
  revision?: number;
  /** Other files than host/ has, from `packModules`. */
  archive?: string;
}

/** The standard input of that command line: the script that starts the agent, the agent, and the request. */
export function agentInput(request: AgentRequest): string {
  const launch = readFileSync(join(HOST_FOLDER, "launch.sh"), "utf8");
  return `${launch}${END_OF_SCRIPT}\n${JSON.stringify({ ...agentBundle(), ...request })}`;
}
