// What `pulumi destroy` runs on the workstation before it deletes an origin-pull certificate.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { createRelease } from "../../components/origin-pulls/release.ts";
import { find, recordResources } from "./support/mocks.ts";

const { registered } = recordResources();
let api: Server | undefined;
afterEach(() => {
  api?.closeAllConnections();
  api?.close();
});

const TOKEN = "cf-token-of-the-stack";

/** Runs the command that is in the state, with the API answering one after the other; resolves to what it printed. */
async function run(
  ...answers: [status: number, body: unknown][]
): Promise<{ asked: (string | undefined)[]; said: string }> {
  const asked: (string | undefined)[] = [];
  api = createServer(({ headers }, response) => {
    const [status, body] = answers[Math.min(asked.length, answers.length - 1)] ?? [404, {}];
    asked.push(headers.authorization);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await once(api.listen(0, "127.0.0.1"), "listening");
  const { port } = api.address() as AddressInfo;
  return { asked, said: await runAt(`http://127.0.0.1:${port.toString()}/association`) };
}

async function runAt(url: string): Promise<string> {
  const name = `release-${registered.length.toString()}`;
  createRelease(name, { url, token: TOKEN }, {});
  await expect.poll(() => registered.some((one) => one.name === name)).toBe(true);
  const { inputs, secrets } = find(registered, name);
  expect(secrets).toContain("stdin");
  const child = promisify(execFile)("/bin/sh", ["-c", inputs["delete"] as string]);
  child.child.stdin?.end(inputs["stdin"] as string);
  const { stdout, stderr } = await child;
  expect(stdout + stderr).not.toContain(TOKEN);
  return stderr;
}

const status = (text: string) => [200, { result: { status: text } }] satisfies [number, unknown];

test("the certificate's deletion waits until Cloudflare no longer presents it", async () => {
  const { asked, said } = await run(status("pending_deletion"), [503, {}], status("pending_deletion"), [404, {}]);
  expect(asked).toEqual(Array(4).fill(`Bearer ${TOKEN}`));
  expect(said).toBe("waiting until Cloudflare no longer presents the origin-pull certificate\n");
});

test.each([
  ["the association is gone", [404, {}]],
  ["it is deleted but listed", status("deleted")],
  ["the token is refused", [403, {}]],
  ["the answer is not the API's", [200, "<html>"]],
] as [string, [number, unknown]][])("the certificate is deleted at once where %s", async (_where, answer) => {
  expect(await run(answer)).toMatchObject({ asked: [`Bearer ${TOKEN}`], said: "" });
});

test("an API that cannot be reached does not keep a destroy from going on", async () => {
  expect(await runAt("http://127.0.0.1:1/association")).toBe("");
});
