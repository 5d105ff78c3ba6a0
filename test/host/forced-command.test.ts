// A login that runs something else than the agent, or nothing: configure and doctor say what the host said.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askAgent, type Connection } from "../../cli/lib/ssh.ts";
import { startTestHost, type TestHost } from "../support/host.ts";

let host: TestHost;
let connection: Connection;
beforeAll(async () => {
  host = await startTestHost();
  const [type = "", key = ""] = readFileSync(join(host.folder, "host_key.pub"), "utf8").split(" ");
  connection = {
    sshAddress: host.address,
    sshPort: 22,
    sshUser: "root",
    sshAgent: false,
    sshJump: undefined,
    sshPrivateKeyPassphrase: "",
    sshPrivateKey: readFileSync(join(host.folder, "key"), "utf8"),
    sshHostKey: `${type} ${key.trim()}`,
  };
});
afterAll(() => host.close());

const survey = () =>
  askAgent(connection, "survey", { hostname: "photos.example.com", sshPort: 22, keepOpen: [], originPort: 443 });

/** Has root's key run a command in place of what is asked for, while the body runs. */
async function forced(command: string, body: () => Promise<void>): Promise<void> {
  const file =
    "$(sshd -T 2>/dev/null | sed -n 's|^authorizedkeysfile \\([^ ]*\\).*|\\1|p' | sed 's|^\\([^/]\\)|/root/\\1|')";
  await host.inside(`cp ${file} /run/keys; sed -i 's|^ssh-|command="'"$(cat)"'" ssh-|' ${file}`, { input: command });
  try {
    await body();
  } finally {
    await host.inside(`cp /run/keys ${file}`);
  }
}

test("a host that runs the agent answers", async () => {
  expect(await survey()).toMatchObject({ step: "survey", refusals: [] });
});

test.each([
  [
    "a cloud image's words for root",
    'echo \'Please login as the user \\\\"admin\\\\" rather than the user \\\\"root\\\\".\';echo;sleep 1;exit 142',
    /^the login has ended with status 142 with the words "Please login as the user .*admin.* rather than the user/,
  ],
  ["that it ends without a word", "exit 3", /the login has ended with status 3 without a word/],
])("%s", async (_, command, said) => {
  await forced(command, async () => {
    await expect(survey()).rejects.toThrow(said);
  });
});

test("a host without Python says that", async () => {
  await host.inside("mv /usr/bin/python3 /usr/bin/python3.kept");
  await expect(survey()).rejects.toThrow("the host says: /usr/bin/python3 is missing");
  await host.inside("mv /usr/bin/python3.kept /usr/bin/python3");
});
