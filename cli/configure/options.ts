import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { CommandError } from "../lib/command.ts";

const text = (value: string, help: string) => ({ type: "string", value, help }) as const;
const texts = (value: string, help: string) => ({ type: "string", multiple: true, value, help }) as const;

/** `npm run configure` and its flags. */
export const CONFIGURE = {
  name: "configure",
  summary: `Asks for the settings of a stack, tries each of them, and writes them. A flag answers its question; without a terminal
all answers come from flags, the present settings and what is found out.`,
  options: {
    stack: { ...text("NAME", "the stack; default: the selected one, else home"), short: "s" },
    "api-token-file": text("FILE", "Cloudflare API token; or the environment variable CLOUDFLARE_API_TOKEN"),
    "api-url": text("URL", "base address of the API"),
    account: text("NAME|ID", "account with Zero Trust"),
    zone: text("NAME|ID", "zone of the host name"),
    hostname: text("NAME", "host name of the site"),
    "ssh-address": text("ADDRESS", "the host's address for SSH from this machine; 127.0.0.1 on the host itself"),
    "ssh-port": text("PORT", "port of the host's SSH server"),
    "ssh-user": text("USER", "root, or a user who may run sudo without a password"),
    "ssh-key-file": text("FILE", "private key of that user"),
    "ssh-make-key": {
      type: "boolean",
      help: "on the host itself: make a key, and add it to your authorized_keys",
    },
    "ssh-agent": {
      type: "boolean",
      help: "log in with the keys of this machine's SSH agent, so that the state holds none",
    },
    "ssh-jump": text("USER@ADDRESS:PORT", "host through which SSH leads there, with the same key; or none"),
    "ssh-jump-host-key": text("KEY", "that host's public key, or its fingerprint"),
    "ssh-host-key": text("KEY", "the host's public key, or its fingerprint SHA256:…, as you read it on the host"),
    "origin-port": text("PORT", "port on which nginx serves the site, if another program has 443"),
    immich: text("ADDRESS:PORT", "address of Immich as the host reaches it"),
    "keep-open": texts("WORDS", "port to keep open, in ufw's syntax: 8123/tcp from 192.168.1.0/24"),
    "close-others": {
      type: "boolean",
      negatable: true,
      help: "block everything else the host serves; without it, pulumi up stops first",
    },
    address: texts("ADDRESS", "public address of the host"),
    "origin-name": text("NAME", "name that a DDNS client keeps, where the public address changes"),
    resolver: text("ADDRESS", "DNS server that is asked for that name, like 1.1.1.1; default: this machine's"),
    "home-network": texts("CIDR", "private network that reaches Immich directly, without Cloudflare"),
    email: texts("EMAIL", "who may log in"),
    device: texts("NAME", "a phone or program that gets a token"),
    notify: texts("EMAIL", "whom Cloudflare writes to before a token or certificate ends"),
    session: text("DURATION", "how long people stay logged in, like 720h"),
    login: text("ID", "create, account, or the id of an identity provider"),
    adopt: {
      type: "boolean",
      negatable: true,
      help: "adopt what exists for the host name at Cloudflare, or leave it",
    },
  },
} as const;

/**
 * The text of a file that the user names, from where npm was started.
 *
 * @throws CommandError that names the file, never its content
 */
export function readNamed(name: string): string {
  try {
    return readFileSync(namedPath(name, process.env["INIT_CWD"] ?? ""), "utf8");
  } catch (error) {
    throw new CommandError(`${name} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
}

/**
 * The path of a file that the user names. `~` is the home, which the shells of Windows leave to the programs.
 *
 * @param start the folder that a relative name begins in
 * @param paths how the system writes paths
 */
export const namedPath = (name: string, start: string, paths = path, home = homedir()): string =>
  paths.resolve(start, /^~($|[/\\])/.test(name) ? paths.join(home, name.slice(1)) : name);
