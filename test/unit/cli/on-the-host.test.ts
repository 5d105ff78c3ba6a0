// How configure finds out that it runs on the host itself.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hasImmich, isOwnHostKey, requireSshServer } from "../../../cli/configure/on-the-host.ts";
import { looksLikeHome } from "../../../cli/configure/origin.ts";

let body = "";
const server = http.createServer((_, response) => response.end(body));
let port: number;
beforeAll(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => server.close());

it("by the Immich that answers on this machine, if it can be a host", async () => {
  const url = `http://127.0.0.1:${port.toString()}/api/server/ping`;
  body = '{"res":"pong"}';
  expect(await hasImmich(url, "linux")).toBe(true);
  for (const platform of ["win32", "darwin"] as const) expect(await hasImmich(url, platform)).toBe(false);
  body = "<html>";
  expect(await hasImmich(url, "linux")).toBe(false);
  expect(await hasImmich("http://127.0.0.1:1/api/server/ping", "linux")).toBe(false);
});

it("a machine without an SSH server is told what starts one", async () => {
  await expect(requireSshServer("127.0.0.1", port)).resolves.toBeUndefined();
  await expect(requireSshServer("127.0.0.1", 1)).rejects.toThrow(
    "no SSH server listens on port 1 of this machine: sudo apt-get install openssh-server",
  );
});

it("this machine's host key is told from another's, to which a tunnel may lead", () => {
  const folder = mkdtempSync(join(tmpdir(), "immich-access-keys-"));
  writeFileSync(join(folder, "ssh_host_ed25519_key.pub"), "ssh-ed25519 AAAAown root@home\n");
  expect(isOwnHostKey("ssh-ed25519 AAAAown", folder)).toBe(true);
  expect(isOwnHostKey("ssh-ed25519 AAAAanother", folder)).toBe(false);
  expect(isOwnHostKey("ecdsa-sha2-nistp256 AAAAown", folder)).toBe(false);
  rmSync(folder, { recursive: true });
});

it("a loopback address says nothing of where the host is", () => {
  const survey = (...addresses: string[]) => ({ survey: { addresses }, sshAddress: "127.0.0.1" });
  expect(looksLikeHome(survey())).toBe(false);
  expect(looksLikeHome(survey("203.0.113.7"))).toBe(false);
  expect(looksLikeHome(survey("192.168.1.10"))).toBe(true);
});
