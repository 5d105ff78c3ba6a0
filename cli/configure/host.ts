import type { Answer } from "../../components/origin-host/answer.ts";
import { CommandError } from "../lib/command.ts";
import { askAgent, type Connection } from "../lib/ssh.ts";

/** Answer of the agent's step `survey`. */
export type Survey = Answer<"survey">;

/**
 * Logs in, tries sudo, and looks around on the host without changing anything.
 *
 * @throws CommandError with a one-line reason
 */
export async function surveyHost(
  connection: Connection,
  hostname: string,
  keepOpen: readonly string[],
  originPort: number,
): Promise<Survey> {
  const { sshAddress, sshPort, sshUser } = connection;
  try {
    return await askAgent(connection, "survey", {
      hostname,
      sshPort,
      keepOpen: [...keepOpen],
      originPort,
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const said = error.message;
    throw new CommandError(said.includes("@") ? said : `${sshUser}@${sshAddress}:${sshPort.toString()}: ${said}`);
  }
}

/** Tasks on the host before the first `pulumi up`, which otherwise stops with the same messages. */
export function hostTasks({ openings, sites, refusals, unclear }: Survey, hostname: string): string[] {
  return [
    ...refusals.map(({ problem, remedy }) => `${problem}: ${remedy}`),
    ...openings.map(
      (opening) =>
        `ufw's rule "${opening.rule}" opens port ${opening.port.toString()} to everyone: run \`${opening.delete}\` on the host`,
    ),
    ...sites.map(
      (file) =>
        `nginx has another server for ${hostname} in ${file}, which would answer instead of this program's: remove it ` +
        "and run `systemctl reload nginx` on the host",
    ),
    ...unclear.map((text) => `check whether there is another way to Immich: ${text}`),
  ];
}
