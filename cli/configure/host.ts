import { z } from "zod";
import { CommandError } from "../lib/command.ts";
import { askAgent, type Connection } from "../lib/ssh.ts";

/** What the agent's step `survey` prints: host/agent/survey.py. */
const surveySchema = z.object({
  /** Addresses of the host's own interfaces to the internet; behind a router these are private ones. */
  addresses: z.array(z.string()),
  /** Where Immich answers on the host, `address:port`. */
  immich: z.array(z.string()),
  /** What is wrong with the way on which Docker publishes it, and what mends that. */
  published: z.array(z.string()),
  /** Rules of ufw that open a port to everyone, with the command that deletes them. */
  openings: z.array(z.object({ rule: z.string(), port: z.number(), delete: z.string() })),
  /** Files of nginx with another server for the host name. */
  sites: z.array(z.string()),
});

export type Survey = z.output<typeof surveySchema>;

/**
 * Logs in, tries sudo, and looks around on the host without changing anything.
 *
 * @throws CommandError with one line about why it could not
 */
export async function surveyHost(connection: Connection, site: string): Promise<Survey> {
  const { sshAddress, sshPort, sshUser } = connection;
  try {
    const answer = await askAgent(connection, "survey", { site, sshPort });
    return surveySchema.parse(JSON.parse(answer));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const unreadable = error instanceof z.ZodError || error instanceof SyntaxError;
    const said = unreadable ? "the host's answer cannot be read" : error.message;
    throw new CommandError(said.includes("@") ? said : `${sshUser}@${sshAddress}:${sshPort.toString()}: ${said}`);
  }
}

/** What has to be done on the host before the first `pulumi up`, which otherwise stops and says the same. */
export function hostTasks({ published, openings, sites }: Survey, hostname: string): string[] {
  return [
    ...openings.map(
      (opening) =>
        `ufw's rule "${opening.rule}" opens port ${opening.port.toString()} to everyone: run \`${opening.delete}\` on the host`,
    ),
    ...published,
    ...sites.map(
      (file) =>
        `nginx has another server for ${hostname} in ${file}, which would answer in place of this program's: take it out ` +
        "and run `systemctl reload nginx` on the host",
    ),
  ];
}
