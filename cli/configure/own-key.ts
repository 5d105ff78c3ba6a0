// The key with which a machine that is the host itself logs in to itself.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { isProtected } from "../../settings/ssh.ts";
import { CommandError } from "../lib/command.ts";
import type { Login } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";
import type { Before } from "./setting-problems.ts";

/** The flag that has such a key made. */
export const MAKE_FLAG = "ssh-make-key";

/** Begins the comment of each such key. */
const COMMENT = "immich-access";

/**
 * What sshd allows it: commands without a terminal, from the machine itself. The agent needs no more (`restrict` switches
 * off forwarding, terminals and ~/.ssh/rc: sshd(8)).
 */
const OPTIONS = 'restrict,from="127.0.0.1,::1"';

/** A private key in OpenSSH's form, and its public key with a comment. */
interface KeyPair {
  privateKey: string;
  publicKey: string;
}

/**
 * Makes the stack's key for this machine, unless it has one, and lets it in. Shows the line of `authorized_keys` and asks
 * before it is written; `takeBack` of the dialogue takes it away again.
 *
 * @param hostname the site, which tells the keys of several stacks apart
 * @throws CommandError if the line is not to be added
 */
export async function makeOwnKey(
  dialogue: Dialogue,
  before: Before,
  hostname: string,
  home = ownHome(),
): Promise<Login> {
  // The line of an attempt before, of which the key is lost
  dialogue.takeBack();
  const { privateKey, publicKey } =
    (await ownPair(before("sshPrivateKey"))) ?? (await newPair(`${COMMENT} ${hostname}`));
  const file = join(home, ".ssh", "authorized_keys");
  const line = `${OPTIONS} ${publicKey}`;
  const present = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (!hasKey(present, publicKey)) {
    dialogue.say(`To log in to itself, this machine needs this line in ${file}: ${line}`);
    if (!(await dialogue.confirm("Add it?", true, MAKE_FLAG))) throw new CommandError("the key has not been added");
    writeKeys(file, withLine(present, line));
    dialogue.onTakeBack(() => {
      if (existsSync(file)) writeKeys(file, withoutLine(readFileSync(file, "utf8"), line));
    });
  }
  return { sshAgent: false, sshPrivateKey: privateKey, sshPrivateKeyPassphrase: "" };
}

/** $HOME, unless it is somebody else's, as `sudo -E` leaves it. */
function ownHome(): string {
  const { uid, homedir: known } = userInfo();
  const home = homedir();
  return existsSync(home) && statSync(home).uid === uid ? home : known;
}

/** The pair of a private key that was made here before; `undefined` for any other key. */
async function ownPair(privateKey: string | undefined): Promise<KeyPair | undefined> {
  if (privateKey === undefined || privateKey === "" || isProtected(privateKey)) return undefined;
  const { default: ssh2 } = await import("ssh2");
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error || !parsed.comment.startsWith(`${COMMENT} `)) return undefined;
  return { privateKey, publicKey: `${parsed.type} ${parsed.getPublicSSH().toString("base64")} ${parsed.comment}` };
}

async function newPair(comment: string): Promise<KeyPair> {
  const { default: ssh2 } = await import("ssh2");
  const { private: privateKey, public: publicKey } = ssh2.utils.generateKeyPairSync("ed25519", { comment });
  return { privateKey, publicKey };
}

/** Whether a file of keys has a line for a public key, whatever its options are. */
export const hasKey = (text: string, publicKey: string): boolean => {
  const [type = "", blob = ""] = publicKey.split(" ");
  return text.split("\n").some((line) => !line.startsWith("#") && line.includes(`${type} ${blob}`));
};

/** A file of keys with a line at its end, also where the last line is not ended. */
export const withLine = (text: string, line: string): string =>
  `${text === "" || text.endsWith("\n") ? text : `${text}\n`}${line}\n`;

/** A file of keys without a line. */
export const withoutLine = (text: string, line: string): string =>
  text
    .split("\n")
    .filter((one) => one !== line)
    .join("\n");

/** Writes a file of keys at once, so that sshd never reads a part of it. Its mode and a link to it stay. */
function writeKeys(path: string, text: string): void {
  const exists = existsSync(path);
  const file = exists && lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  if (!exists) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (text === "") {
    rmSync(file, { force: true });
    return;
  }
  const next = `${file}.${COMMENT}`;
  rmSync(next, { force: true });
  writeFileSync(next, text, { mode: 0o600, flag: "wx" });
  if (exists) {
    const { mode, uid, gid } = statSync(file);
    chmodSync(next, mode & 0o777);
    chownSync(next, uid, gid);
  }
  renameSync(next, file);
}
