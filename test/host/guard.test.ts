import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../dev/sandbox/run.ts";
import { startTestHost, type TestHost } from "../support/host.ts";
import { LINE, ONLY_SSH, PAYLOAD, reach, strangerTries } from "./firewall-support.ts";
import { CONTAINER, installDocker } from "./support/docker.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  await installDocker(host);
  // The router is the host's neighbour on its cable to the internet; it knows the way to the containers.
  for (const route of ["172.18.0.0/16 via 198.51.100.10", "fd00:18::/64 via 2001:db8:77::10"]) {
    await neighbour(`ip route add ${route}`);
  }
});
afterAll(() => host.close());

/** Runs a command line at the host's neighbour. */
const neighbour = (command: string) => run(["ip", "netns", "exec", `ia${host.number}-net`, "sh", "-c", command]);

const OPEN = { "2283-v4": "open", "2283-v6": "open" };
const SILENT = { "2283-v4": "silent", "2283-v6": "silent" };
const fromStranger = (ports = [2283]) => reach((command) => host.fromStranger(command), ports);
const fromNeighbour = (ports = [2283]) => reach(neighbour, ports);
/** The host's table, without what its counter has counted. */
const table = async () => (await host.inside("nft -s list table inet immich_access")).stdout;

/** Whether a place gets Immich's answer from a container's own address. */
const straight = async (from: (command: string) => Promise<{ code: number }>) => {
  const codes = Object.values(CONTAINER).map((place) => from(`curl -s -m 1 http://${place}/`));
  return (await Promise.all(codes)).map(({ code }) => code === 0);
};

/** What a stranger gets of Immich's port while the body runs: nothing, if all is well. */
async function watched(body: () => Promise<unknown>): Promise<string> {
  const stop = strangerTries(host, { shut: [2283] });
  return body().then(stop, async (error: unknown) => {
    await stop();
    throw error;
  });
}

test("the stock publication stays as it is, and nobody reaches it but the host", async () => {
  expect(await fromStranger()).toEqual(OPEN);
  expect(await straight(neighbour)).toEqual([true, true]);
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0, said: LINE(1) });
  expect(await reach((command) => host.fromStranger(command))).toEqual(ONLY_SSH);
  expect(await fromNeighbour()).toEqual(SILENT);
  expect(await straight(neighbour)).toEqual([false, false]);
  for (const place of ["127.0.0.1:2283", "198.51.100.10:2283", ...Object.values(CONTAINER)]) {
    expect((await host.inside(`curl -s -m 5 http://${place}/`)).stdout, place).toBe("pong");
  }
  console.log(await table());
});
