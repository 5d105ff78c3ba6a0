import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";

/** `ufw limit` refuses an address for 30 s after its sixth connection within 30 s. */
const LIMIT_MS = 35_000;

/** What SSH itself allows for an answer is none of this file's business. */
const ANSWER_MS = 5000;

/** Endpoints that this run of the program has tried. */
const tried = new Set<string>();

/**
 * Creates a hook that waits before a run's first step on a host if the host refuses connections, as a rule of `ufw limit`
 * does. The provider's own attempts are over within half a second, and count against such a rule. One look is enough for a
 * run: each step takes its connection off the rule's count.
 *
 * @param name unique name of the hook
 */
export function createPatienceHook(
  name: string,
  { host, port, jump }: { host: string; port: number; jump?: object | undefined },
  wait = LIMIT_MS,
): pulumi.ResourceHook {
  const endpoint = `${host}:${port.toString()}`;
  return new pulumi.ResourceHook(
    name,
    async () => {
      // What a jump host gets from there cannot be seen from here.
      if (jump || tried.has(endpoint)) return;
      tried.add(endpoint);
      if (!(await refuses(host, port))) return;
      await pulumi.log.warn(
        `${endpoint} refuses the SSH connection; a rule of \`ufw limit\` does so for 30 s after six of them: waiting for ` +
          `${(wait / 1000).toString()} s`,
      );
      await sleep(wait);
    },
    { ignoreErrors: true },
  );
}

/** Whether a host refuses a TCP connection, rather than taking it or leaving it without an answer. */
async function refuses(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    // The server's greeting: one that is left before it counts as a scanner to some.
    await once(socket, "data", { signal: AbortSignal.timeout(ANSWER_MS) });
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}
