// A host that refuses connections, as a rule of `ufw limit` does for 30 s, is waited for, once.
import { createServer, type AddressInfo, type Server } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, expect, it, vi } from "vitest";
import { patiently } from "../../cli/lib/ssh.ts";
import { createPatienceHook } from "../../components/origin-host/patience.ts";
import { recordResources } from "./support/mocks.ts";

// A hook registers itself with the engine as soon as it is made.
recordResources();

let server: Server | undefined;
afterEach(() => {
  vi.restoreAllMocks();
  server?.close();
});

async function listening(port = 0): Promise<number> {
  const made = createServer((socket) => socket.write("SSH-2.0-test\r\n"));
  server = made;
  await new Promise<void>((resolve) => made.listen(port, "127.0.0.1", resolve));
  return (made.address() as AddressInfo).port;
}

/** A port on which nothing listens. */
async function closed(): Promise<number> {
  const port = await listening();
  await new Promise((resolve) => server?.close(resolve));
  return port;
}

const create = {} as pulumi.ResourceHookArgs;

it("the program waits before its first step on a host that refuses, says so, and not again", async () => {
  const said = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  const port = await closed();
  const hook = createPatienceHook("first", { host: "127.0.0.1", port }, 300);
  const started = Date.now();
  await hook.callback(create);
  expect(Date.now() - started).toBeGreaterThanOrEqual(290);
  expect(said).toHaveBeenCalledTimes(1);
  expect(said.mock.calls[0]?.[0]).toMatch(
    /^127\.0\.0\.1:\d+ refuses the SSH connection; .*ufw limit.* waiting for 0.3 s$/,
  );
  await createPatienceHook("second", { host: "127.0.0.1", port }, 60_000).callback(create);
  expect(said).toHaveBeenCalledTimes(1);
  expect(hook.opts?.ignoreErrors).toBe(true);
});

it("the program does not wait for a host that answers, or for one that is away", async () => {
  const said = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
  const port = await listening();
  await createPatienceHook("there", { host: "127.0.0.1", port }, 60_000).callback(create);
  await createPatienceHook("away", { host: "no-such-host.invalid", port: 22 }, 60_000).callback(create);
  expect(said).not.toHaveBeenCalled();
});

it("the tools try once more after a refusal, and only then", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const answers = [new Error("connect ECONNREFUSED 192.0.2.1:22"), "connected"];
  const attempt = () => {
    const answer = answers.shift();
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  expect(await patiently("192.0.2.1:22", attempt, 20)).toBe("connected");
  expect(said.mock.calls.flat()).toEqual([expect.stringMatching(/^192.0.2.1:22 refuses .*ufw limit.* 0.02 s$/)]);
  const refused = vi.fn(() => Promise.reject(new Error("ECONNREFUSED")));
  await expect(patiently("192.0.2.1:22", refused, 20)).rejects.toThrow("ECONNREFUSED");
  expect(refused).toHaveBeenCalledTimes(2);
  const denied = vi.fn(() => Promise.reject(new Error("Host denied")));
  await expect(patiently("192.0.2.1:22", denied, 60_000)).rejects.toThrow("Host denied");
  expect(denied).toHaveBeenCalledTimes(1);
});
