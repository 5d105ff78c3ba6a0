import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path, { join } from "node:path";
import { strToU8, zlibSync } from "fflate";

const HOST_FOLDER = join(import.meta.dirname, "../../host");

/** A file's path below a folder, with slashes whatever the system writes: the host is a Linux one. */
export const pathBelow = (folder: string, file: string, paths = path): string =>
  paths.relative(folder, file).split(paths.sep).join("/");

/** The host agent's files as text, by their path below host/. */
export function agentModules(): Record<string, string> {
  const files = readdirSync(join(HOST_FOLDER, "agent"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(py|json|service|timer|path|socket|conf|nft)$/.test(entry.name))
    .map((entry) => pathBelow(HOST_FOLDER, join(entry.parentPath, entry.name)))
    // The text is an input of resources, so another order would look like a change.
    .sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(HOST_FOLDER, file), "utf8")]));
}

/**
 * Packs files into one short line, because the state holds them twice and every operation reads and writes it. Base64,
 * because standard input is text. Not Node's own zlib: its output differs between processors, so a deployment from
 * another workstation would look like a change.
 */
export function packModules(modules: Readonly<Record<string, string>>): string {
  return Buffer.from(zlibSync(strToU8(JSON.stringify(modules)), { level: 9 })).toString("base64");
}

let packed: string | undefined;

/** The host agent from host/, packed once for all hosts. */
const ownArchive = (): string => (packed ??= packModules(agentModules()));

/** Names an agent's version on a host: the start of the SHA-256 of its archive. */
const versionOf = (archive: string): string => createHash("sha256").update(archive).digest("hex").slice(0, 16);

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
  /** A change makes Pulumi run the step again; the host names the next one in an error. */
  revision?: number;
}

/**
 * Where a step's agent comes from.
 *
 * - `request`: the step's standard input brings it, so the host needs no prior installation.
 * - `host`: the firewall step has brought the same version to the host before.
 * - `host, any version`: as `host`, but whichever version came last, for a step that deletes what that version has made.
 */
export type AgentSource = "request" | "host" | "host, any version";

/**
 * The standard input of that command line: the script that starts the agent, and the request.
 * @param archive the agent. Default: host/'s. Another one comes from `packModules`.
 */
export function agentInput(request: AgentRequest, source: AgentSource = "request", archive = ownArchive()): string {
  const launch = readFileSync(join(HOST_FOLDER, "launch.sh"), "utf8");
  const load = readFileSync(join(HOST_FOLDER, "load.py"), "utf8");
  const agent = {
    ...(source === "request" && { archive }),
    ...(source !== "host, any version" && { version: versionOf(archive) }),
  };
  return `${launch}${END_OF_SCRIPT}\n${JSON.stringify({ load, ...agent, ...request })}`;
}
