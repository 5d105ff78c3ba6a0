import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { userError } from "../../settings/error.ts";
import type { JumpHost } from "../../settings/topology.ts";
import { agentCommand, agentInput, type AgentSource } from "./agent.ts";
import { type Answer, NoAnswerError, readAnswer } from "./answer.ts";
import { createPatienceHook } from "./patience.ts";
import { checkedPayload, type Payload, type StepName } from "./payload.ts";

/** How to reach the host over SSH, and the revision of its steps. */
export interface HostConnection {
  /** Address or name of the host itself, never the proxied host name. */
  host: string;
  port: number;
  /** root, or a user who may run `sudo -n`. */
  user: string;
  /** Private key in PEM or OpenSSH form; secret. Without it those of the workstation's SSH agent are used. */
  privateKey: pulumi.Input<string> | undefined;
  /** The private key's passphrase, if it has one; secret. */
  privateKeyPassword: pulumi.Input<string> | undefined;
  /** Public key of the host, `<type> <base64>`. Without it the provider does not verify the host. */
  hostKey: string;
  /** The host through which SSH leads to it, with the same key; `undefined` if there is none. */
  jump: JumpHost | undefined;
  /** A change of the revision runs every step again. */
  revision: number;
}

/** A value any part of which may be an output of another resource. */
export type Inputs<T> = [T] extends [string | number | boolean | null]
  ? pulumi.Input<T>
  : T extends readonly (infer Item)[]
    ? pulumi.Input<readonly Inputs<Item>[]>
    : { readonly [Key in keyof T]: Inputs<T[Key]> };

/** Steps that change something. */
type ApplyingStep = "firewall" | "certificates" | "nginx" | "former-port-close";

/** Steps that delete what other steps have created. */
type RemovingStep = "firewall-remove" | "site-remove" | "former-port-close";

/** The first step brings the agent for the others, so that the state does not hold it once for each of them. */
const sourceFor = (step: ApplyingStep): AgentSource => (step === "firewall" ? "request" : "host");

/**
 * A step of the host agent on create and on update, as a remote command. Every step is idempotent.
 *
 * There are no `triggers`: a changed trigger replaces the command, and the old command's delete would undo what the new
 * command's create has just done.
 *
 * @param remove the step on delete, with the same payload
 * @returns the step's answer. Without an answer the deployment fails, whatever the exit status was.
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
  const patience = createPatienceHook(`${name}-patience`, connection);
  const { stdout } = new command.remote.Command(
    name,
    {
      create: run,
      update: run,
      ...(remove && { delete: agentCommand(remove) }),
      ...commandInputs(step, connection, payload, sourceFor(step)),
    },
    {
      ...opts,
      hooks: {
        ...opts.hooks,
        beforeCreate: [...(opts.hooks?.beforeCreate ?? []), patience],
        beforeUpdate: [...(opts.hooks?.beforeUpdate ?? []), patience],
      },
    },
  );
  return stdout.apply((text) => answerOf(step, connection, text));
}

/** A step of the host agent on delete only. Creating it does not connect to the host. */
export function hostStepOnDelete<S extends RemovingStep>(
  name: string,
  step: S,
  connection: HostConnection,
  payload: Inputs<Payload<S>>,
  opts: pulumi.CustomResourceOptions,
): void {
  new command.remote.Command(
    name,
    {
      delete: agentCommand(step),
      ...commandInputs(step, connection, payload, "host, any version"),
    },
    opts,
  );
}

/** What every command has, whenever it runs. */
function commandInputs<S extends StepName>(
  step: S,
  connection: HostConnection,
  payload: Inputs<Payload<S>>,
  source: AgentSource,
) {
  const { revision, privateKey, privateKeyPassword, jump, ...ssh } = connection;
  const login = {
    ...(privateKey !== undefined && { privateKey: pulumi.secret(privateKey) }),
    ...(privateKeyPassword !== undefined && { privateKeyPassword: pulumi.secret(privateKeyPassword) }),
    // Four attempts in all: enough for a host that reboots, too few for a ban by fail2ban.
    dialErrorLimit: 3,
    perDialTimeout: 15,
  };
  const input = pulumi
    .output(payload as pulumi.Input<Payload<S>>)
    .apply((known) => agentInput({ revision, payload: checkedPayload(step, known as Payload<S>) }, source));
  return {
    connection: {
      ...ssh,
      ...login,
      ...(jump && { proxy: { host: jump.address, port: jump.port, user: jump.user, hostKey: jump.hostKey, ...login } }),
    },
    // Secret, because the payload has certificates' keys.
    stdin: pulumi.secret(input),
    // People read standard error; this program reads standard output.
    logging: "stderr",
    // By default the provider sets earlier output as environment variables on the host, which sshd refuses.
    addPreviousOutputInEnv: false,
  } as const;
}

/** @throws RunError with a remedy if the step has not answered */
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
