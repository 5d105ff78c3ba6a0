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

/** Which of the agent's steps runs when. */
export interface HostSteps {
  /** On create and on update; without one, nothing does, and nobody connects to the host. */
  apply?: "firewall" | "certificates" | "nginx";
  /** On delete. */
  remove?: "firewall-remove" | "site-remove";
}

/**
 * Steps of the host agent, as a remote command. Every step compares before it acts, so running one again changes nothing.
 *
 * There are no `triggers`: a changed trigger replaces the command, and the old one's delete would undo what the new
 * one's create has just made.
 */
export function hostStep(
  name: string,
  { apply, remove }: HostSteps,
  connection: HostConnection,
  payload: StepPayload,
  opts: pulumi.CustomResourceOptions,
): command.remote.Command {
  const { revision, ...ssh } = connection;
  return new command.remote.Command(
    name,
    {
      ...(apply && { create: agentCommand(apply), update: agentCommand(apply) }),
      ...(remove && { delete: agentCommand(remove) }),
      connection: {
        ...ssh,
        privateKey: pulumi.secret(ssh.privateKey),
        // Four attempts in all: enough for a host that is rebooting, too few to be banned by fail2ban.
        dialErrorLimit: 3,
        perDialTimeout: 15,
      },
      stdin: pulumi.secret(pulumi.output({ revision, payload }).apply(agentInput)),
      // Otherwise the provider hands earlier output to the host as environment variables, which sshd refuses.
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}
