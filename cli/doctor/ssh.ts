import { askAgent, type Connection } from "../lib/ssh.ts";
import { type HostPayload, type HostReport, readReport } from "./host.ts";

/**
 * Has the agent look at the host, over one SSH connection for all of its sites.
 *
 * @throws Error with one line about why it could not
 */
export async function askHost(connection: Connection, payload: HostPayload): Promise<HostReport> {
  const answer = await askAgent(connection, "doctor", payload);
  try {
    return readReport(answer);
  } catch {
    throw new Error("the host's answer cannot be read");
  }
}
