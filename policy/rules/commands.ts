import * as command from "@pulumi/command";
import type {
  PolicyResource,
  ResourceValidationArgs,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import { valueIfKnown } from "./preview-values.ts";

/** Parts of a command that appear in process lists or, if it fails, in the log. Standard input does not. */
const VISIBLE = ["create", "update", "delete", "environment", "triggers"];

/** Names under which providers keep secrets. */
const SECRET_NAMES = /^(private_?key.*|client_?secret|api_?(token|key)|password|token|secret)$/i;

/** Secrets that no command line may contain, whatever their source: private keys and service tokens' secrets. */
const SECRET_FORMS = /-----BEGIN [A-Z ]*PRIVATE KEY-----|\bcfast_[0-9A-Za-z]{40,}/;

/** Shorter values are ordinary words that may appear anywhere. */
const SHORTEST_SECRET = 8;

interface Connection {
  hostKey?: string;
  proxy?: Connection;
}

/** Every SSH connection pins the host's key. */
export const hostKeyPinned: ResourceValidationPolicy = {
  name: "ssh-host-key-pinned",
  description:
    "Without hostKey the provider does not verify the host, and an impostor gets the certificate's private key.",
  validateResource: (args, reportViolation) => {
    const connection = connectionOf(args);
    for (const [where, hop] of [
      ["connection", connection],
      ["connection.proxy", connection?.proxy],
    ] as const) {
      const pinned = hop && valueIfKnown(() => hop.hostKey);
      if (hop && !/^(ssh-ed25519|ecdsa-sha2-nistp\d+) \S+/.test(pinned ?? "")) {
        reportViolation(`${where} has no hostKey of type ed25519 or ecdsa. Give the host's own (setting sshHostKey).`);
      }
    }
  },
};

function connectionOf(args: ResourceValidationArgs): Connection | undefined {
  const { Command, CopyToRemote, CopyFile } = command.remote;
  const used = args.asType(Command) ?? args.asType(CopyToRemote) ?? args.asType(CopyFile);
  return used?.connection;
}

/** No secret appears where others can read it. */
export const noSecretInCommand: StackValidationPolicy = {
  name: "no-secret-in-command",
  description:
    "A failing command is printed in full and a running one is in the process list; secrets belong on standard input.",
  validateStack: ({ resources }, reportViolation) => {
    const secrets = resources.flatMap(({ props }) => secretsIn(props));
    const isSecret = (text: string) => SECRET_FORMS.test(text) || secrets.some((secret) => text.includes(secret));
    for (const resource of resources) {
      if (!resource.isType(command.remote.Command) && !resource.isType(command.local.Command)) continue;
      for (const part of VISIBLE) {
        const { texts, unknown } = leaves(resource.props, part);
        const sources = unknown ? (resource.propertyDependencies[part] ?? []) : [];
        if (texts.some(isSecret) || sources.some(holdsSecret)) {
          reportViolation(`${part} holds a secret. Pass it as stdin: pulumi.secret(…).`, resource.urn);
        }
      }
    }
  },
};

/** Whether a resource has a secret of its own, even if its value is unknown yet. */
const holdsSecret = ({ props }: PolicyResource) => Object.keys(props).some((name) => SECRET_NAMES.test(name));

/** The values of everything below `props` that has the name of a secret. */
function secretsIn(props: object): string[] {
  return Object.keys(props).flatMap((name) => {
    const value = valueIfKnown(() => (props as Record<string, unknown>)[name]);
    if (typeof value === "object" && value !== null) return secretsIn(value);
    const isSecret = SECRET_NAMES.test(name) && typeof value === "string" && value.length >= SHORTEST_SECRET;
    return isSecret ? [value] : [];
  });
}

/** All text in a property, and whether some of it is unknown yet. */
function leaves(props: object, name: string): { texts: string[]; unknown: boolean } {
  const read = valueIfKnown(() => [(props as Record<string, unknown>)[name]]);
  if (!read) return { texts: [], unknown: true };
  const [value] = read;
  if (typeof value !== "object" || value === null) {
    return { texts: typeof value === "string" ? [value] : [], unknown: false };
  }
  const below = Object.keys(value).map((key) => leaves(value, key));
  return { texts: below.flatMap(({ texts }) => texts), unknown: below.some(({ unknown }) => unknown) };
}
