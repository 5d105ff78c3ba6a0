// The question how to log in to the host: with a key of its own, or with those of the workstation's SSH agent.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { agentProblem, agentSocket, keyProblem } from "../../components/origin-host/ssh-login.ts";
import { isProtected, privateKeyProblem } from "../../settings/ssh.ts";
import { CommandError } from "../lib/command.ts";
import type { Login } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";
import { MAKE_FLAG, makeOwnKey } from "./own-key.ts";
import { readNamed } from "./options.ts";
import type { Before } from "./setting-problems.ts";

const [FILE_FLAG, AGENT_FLAG] = ["ssh-key-file", "ssh-agent"] as const;

const AGENT: Login = { sshAgent: true, sshPrivateKey: "", sshPrivateKeyPassphrase: "" };

/** The flags that `askSshLogin` takes. */
export const LOGIN_FLAGS = [FILE_FLAG, AGENT_FLAG, MAKE_FLAG];

/**
 * Asks how to log in to the host. An agent is offered only if it has a key, and a new key only on the host itself.
 *
 * @param ownSite the site, if the host is this machine, and its user the one who runs this; else `undefined`
 * @throws CommandError with the wrong answer
 */
export async function askSshLogin(dialogue: Dialogue, before: Before, ownSite?: string): Promise<Login> {
  refuseTwoKeys(dialogue);
  if (dialogue.given(MAKE_FLAG) === true) {
    if (ownSite !== undefined) return makeOwnKey(dialogue, before, ownSite);
    throw new CommandError(
      `--${MAKE_FLAG}: the host is not this machine, or its user is not you; make a key with ssh-keygen, and name it ` +
        `with --${FILE_FLAG}`,
    );
  }
  const problem = await agentProblem(agentSocket());
  if (dialogue.given(AGENT_FLAG) === true) {
    if (problem !== undefined) throw new CommandError(`--${AGENT_FLAG}: ${problem}`);
    return AGENT;
  }
  const present = presentLogin(before);
  const choices = [
    ...(present && !(present.sshAgent && problem !== undefined) ? [{ value: "keep", label: "the current one" }] : []),
    ...(ownSite === undefined ? [] : [{ value: "make", label: "a new key, which only this machine can use" }]),
    ...(problem === undefined ? [{ value: "agent", label: "the keys of this workstation's SSH agent" }] : []),
    { value: "file", label: "a key file" },
  ];
  const asks = dialogue.interactive && dialogue.flag(FILE_FLAG) === undefined && choices.length > 1;
  const unasked = present && dialogue.flag(FILE_FLAG) === undefined ? "keep" : "file";
  const question = { flag: "ssh-key", message: "Private key of that user" };
  const choice = asks ? await dialogue.choose(question, choices) : unasked;
  if (choice === "keep" && present) return present;
  if (choice === "make" && ownSite !== undefined) return makeOwnKey(dialogue, before, ownSite);
  return choice === "agent" ? AGENT : askFile(dialogue, before);
}

function refuseTwoKeys(dialogue: Dialogue): void {
  const given = LOGIN_FLAGS.filter((flag) => dialogue.flag(flag) !== undefined || dialogue.given(flag) === true);
  if (given.length > 1) throw new CommandError(`${given.map((flag) => `--${flag}`).join(" and ")} exclude each other`);
}

function presentLogin(before: Before): Login | undefined {
  if (before("sshAgent") === "true") return AGENT;
  const [sshPrivateKey, sshPrivateKeyPassphrase = ""] = [before("sshPrivateKey"), before("sshPrivateKeyPassphrase")];
  return sshPrivateKey === undefined ? undefined : { sshAgent: false, sshPrivateKey, sshPrivateKeyPassphrase };
}

async function askFile(dialogue: Dialogue, before: Before): Promise<Login> {
  const usual = ["id_ed25519", "id_ecdsa", "id_rsa"].map((name) => join(homedir(), ".ssh", name)).find(existsSync);
  const file = await dialogue.text({
    flag: FILE_FLAG,
    message: "File with the private key of that user",
    initial: usual,
    problem: (path) => {
      try {
        return privateKeyProblem(readNamed(path));
      } catch (error) {
        return (error as Error).message;
      }
    },
  });
  const sshPrivateKey = readNamed(file);
  if (!isProtected(sshPrivateKey)) return { sshAgent: false, sshPrivateKey, sshPrivateKeyPassphrase: "" };
  const known = before("sshPrivateKeyPassphrase");
  if (!dialogue.interactive && known === undefined) {
    throw new CommandError(
      `--${FILE_FLAG} ${file}: the key is protected by a passphrase: pulumi config set --secret sshPrivateKeyPassphrase, ` +
        `or use --${AGENT_FLAG}`,
    );
  }
  const sshPrivateKeyPassphrase = dialogue.interactive ? await dialogue.secret("Its passphrase") : (known ?? "");
  const problem = await keyProblem(sshPrivateKey, sshPrivateKeyPassphrase);
  if (problem !== undefined) throw new CommandError(`the passphrase does not open ${file}`);
  return { sshAgent: false, sshPrivateKey, sshPrivateKeyPassphrase };
}
