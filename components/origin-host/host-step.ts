import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { userError } from "../../settings/error.ts";
import { agentCommand, agentInput } from "./agent.ts";
import { type Answer, NoAnswerError, readAnswer } from "./answer.ts";
import { checkedPayload, type Payload, type StepName } from "./payload.ts";

/** How to reach the host over SSH, and which run of its steps is wanted. */
export interface HostConnection {
  /** Address or name of the host itself, never the proxied host name. */
  host: string;
  port: number;
  /** root, or a user who may run `sudo -n`. */
  user: string;
  /** Private key, PEM or OpenSSH form without a passphrase; kept secret. */
  privateKey: pulumi.Input<string>;
  /** Public key of the host, `<type> <base64>`. The provider checks nothing at all without it. */
  hostKey: string;
  /** A step whose revision is another runs again, whatever else is as it was. */
  revision: number;
}

/** A value any part of which may be an output of another resource. */
export type Inputs<T> = [T] extends [string | number | boolean | null]
  ? pulumi.Input<T>
  : T extends readonly (infer Item)[]
    ? pulumi.Input<readonly Inputs<Item>[]>
    : { readonly [Key in keyof T]: Inputs<T[Key]> };

/** Steps that change something. */
type ApplyingStep = "firewall" | "certificates" | "nginx";

/** Steps that take back what others have made. */
type RemovingStep = "firewall-remove" | "site-remove";

/**
 * A step of the host agent on create and on update, as a remote command. Every step is idempotent.
 *
 * There are no `triggers`: a changed trigger replaces the command, and the old one's delete would undo what the new
 * one's create has just made.
 *
 * @param remove the step on delete, which is told the same
 * @returns what the step has answered. It fails the deployment if the step has not answered, whatever its exit status.
 */
export function hostStep<S extends ApplyingStep>(
  name: string,
  step: S,
  connection: HostConnection,
  payload: Inputs<Payload<S>>,
  opts: pulumi.CustomResourceOptions,
  remove?: RemovingStep,
): pulumi.Output<Answer<S>> {
  const run = agentCommand(step);
  const { stdout } = new command.remote.Command(
    name,
    {
      create: run,
      update: run,
      ...(remove && { delete: agentCommand(remove) }),
      ...connectionInputs(connection),
      stdin: stdinOf(step, connection, payload),
      // Standard error is for people, standard output for this program.
      logging: "stderr",
    },
    opts,
  );
  return stdout.apply((text) => answerOf(step, connection, text));
}

/** A step of the host agent on delete. Until then nobody connects to the host. */
export function hostStepOnDelete(
  name: string,
  connection: HostConnection,
  payload: Inputs<Payload<"site-remove">>,
  opts: pulumi.CustomResourceOptions,
): void {
  new command.remote.Command(
    name,
    {
      delete: agentCommand("site-remove"),
      ...connectionInputs(connection),
      stdin: stdinOf("site-remove", connection, payload),
      logging: "stderr",
    },
    opts,
  );
}

function connectionInputs({ revision: _, ...ssh }: HostConnection) {
  return {
    connection: {
      ...ssh,
      privateKey: pulumi.secret(ssh.privateKey),
      // Four attempts in all: enough for a host that is rebooting, too few to be banned by fail2ban.
      dialErrorLimit: 3,
      perDialTimeout: 15,
    },
    // Otherwise the provider hands earlier output to the host as environment variables, which sshd refuses.
    addPreviousOutputInEnv: false,
  };
}

/** The agent with what it is told; secret, because certificates' keys are part of it. */
function stdinOf<S extends StepName>(step: S, { revision }: HostConnection, payload: Inputs<Payload<S>>) {
  return pulumi.secret(
    pulumi
      .output(payload as pulumi.Input<Payload<S>>)
      .apply((known) => agentInput({ revision, payload: checkedPayload(step, known as Payload<S>) })),
  );
}

/** @throws RunError that says what to do if the step has not answered. */
function answerOf<S extends StepName>(step: S, connection: HostConnection, stdout: string): Answer<S> {
  const { user, host, port, revision } = connection;
  try {
    return readAnswer(step, stdout);
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    throw userError(
      `${user}@${host}:${port.toString()}: ${error.message}. ` +
        `See that \`ssh -p ${port.toString()} ${user}@${host} id\` prints the user (a forced command in authorized_keys or an ` +
        `exit in a login script keeps it from that), then run it again: pulumi config set hostRevision ${(revision + 1).toString()} && pulumi up`,
    );
  }
}
