import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const HOST_FOLDER = join(import.meta.dirname, "../../host");

/** The host agent as text: its bootstrap, and its files by their path below host/. */
export interface AgentBundle {
  bootstrap: string;
  modules: Readonly<Record<string, string>>;
}

/**
 * Reads the host agent from host/. The files travel with every step on the standard input of its SSH connection, so
 * the host needs nothing of ours beforehand and always runs the version that belongs to the program.
 */
export function agentBundle(folder = HOST_FOLDER): AgentBundle {
  const files = readdirSync(join(folder, "agent"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(py|service|timer|path|socket|conf)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    // Sorted, because the text is an input of resources: another order would look like a change.
    .sort();
  return {
    bootstrap: readFileSync(join(folder, "bootstrap.py"), "utf8"),
    modules: Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), "utf8")])),
  };
}

/**
 * The command line that runs one step of the agent. A failing remote command prints it in full, so it carries nothing
 * secret. It goes through `sh`, whatever the user's login shell is.
 */
export function agentCommand(step: string, folder = HOST_FOLDER): string {
  const launch = readFileSync(join(folder, "launch.sh"), "utf8");
  return `sh -c '${launch.replaceAll("'", `'\\''`)}' immich-access ${step}`;
}
