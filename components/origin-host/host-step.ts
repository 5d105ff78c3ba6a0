import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { agentCommand, agentInput } from "./agent.ts";

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

/** What a step is given; secrets in it stay secret in the state. */
export type StepPayload = Readonly<Record<string, pulumi.Input<unknown>>>;

/**
 * One step of the host agent: a remote command that applies the payload on create and on update, and undoes it on
 * delete with the same payload. Every step compares before it acts, so running one again changes nothing.
 *
 * There are no `triggers`: a changed trigger replaces the command, and the old one's delete would undo what the new
 * one's create has just made.
 */
export function hostStep(
  name: string,
  step: "firewall" | "certificates" | "nginx" | "access",
  connection: HostConnection,
  payload: StepPayload,
  opts: pulumi.CustomResourceOptions,
): command.remote.Command {
  const { revision, ...ssh } = connection;
  const run = agentCommand(step);
  return new command.remote.Command(
    name,
    {
      connection: {
        ...ssh,
        privateKey: pulumi.secret(ssh.privateKey),
        // Four attempts in all: enough for a host that is rebooting, too few to be banned by fail2ban.
        dialErrorLimit: 3,
        perDialTimeout: 15,
      },
      create: run,
      update: run,
      delete: agentCommand(`${step}-remove`),
      stdin: pulumi.secret(pulumi.output({ revision, payload }).apply(agentInput)),
      // Otherwise the provider hands earlier output to the host as environment variables, which sshd refuses.
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}
