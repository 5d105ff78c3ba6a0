import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { CommandError } from "../lib/command.ts";

export const USAGE = `usage: npm run configure -- [FLAG …]

Asks for the settings of a stack, tries each of them, and writes them. A flag answers its question; without a terminal
all answers come from flags, from what is set already and from what is found out.

  --stack NAME            the stack; default: the selected one, else home
  --api-token-file FILE   Cloudflare API token; or the environment variable CLOUDFLARE_API_TOKEN
  --api-url URL           base address of the API
  --account NAME|ID       account with Zero Trust
  --zone NAME|ID          zone of the host name
  --hostname NAME         host name of the site
  --ssh-address ADDRESS   where this machine reaches the host over SSH
  --ssh-port PORT
  --ssh-user USER         root, or a user who may run sudo without a password
  --ssh-key-file FILE     private key without a passphrase
  --ssh-host-key KEY      the host's public key, or its fingerprint SHA256:…, as you read it on the host
  --immich ADDRESS:PORT   where the host finds Immich
  --address ADDRESS       public address of the host; may be repeated
  --email EMAIL           who may log in; may be repeated
  --device NAME           a phone or program that gets a token; may be repeated
  --login ID              create, account, or the id of an identity provider
  --adopt, --no-adopt     take over what exists for the host name at Cloudflare, or leave it`;

const text = { type: "string" } as const;
const texts = { type: "string", multiple: true } as const;

/**
 * Reads the command line.
 *
 * @throws CommandError with the usage for a flag that there is not
 */
export function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowNegative: true,
      options: {
        stack: { ...text, short: "s" },
        "api-token-file": text,
        "api-url": text,
        account: text,
        zone: text,
        hostname: text,
        "ssh-address": text,
        "ssh-port": text,
        "ssh-user": text,
        "ssh-key-file": text,
        "ssh-host-key": text,
        immich: text,
        address: texts,
        email: texts,
        device: texts,
        login: text,
        adopt: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

/**
 * The text of a file that the user names, from where npm was started.
 *
 * @throws CommandError that names the file, never its content
 */
export function readNamed(path: string): string {
  const full = resolve(process.env["INIT_CWD"] ?? "", path.replace(/^~(?=\/)/, process.env["HOME"] ?? "~"));
  try {
    return readFileSync(full, "utf8");
  } catch (error) {
    throw new CommandError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
}
