// What the doctor makes of answers of Cloudflare's API that are not what it documents.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiReader } from "../../../cli/doctor/cloudflare/api.ts";
import { straightToHost } from "../../../cli/doctor/edge.ts";
import { examine } from "../../../cli/doctor/examine.ts";
import { isThisMachine } from "../../../components/site-check/network.ts";
import { whyNoAnswer } from "../../../cli/lib/ssh.ts";
import { checkSettings } from "../../../settings/check.ts";
import { GOOD } from "../support/configuration.ts";

let status = 200;
let body = "";
/** Answers every request with `status` and `body`. */
const server = http.createServer((_, response) => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body);
});
let apiUrl: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}`;
});
afterAll(() => {
  server.close();
});

/** Every finding, with nothing but a loopback that refuses connections behind every name and address. */
async function findings() {
  const { values } = checkSettings({ ...GOOD, apiUrl });
  if (!values) throw new Error("the settings of the test are wrong");
  const away = (host: string) => ({ from: { host, port: undefined }, to: { host: "127.0.0.1", port: 1 } });
  const found = await examine({
    settings: values,
    outputs: undefined,
    network: { detours: [values.hostname, ...values.originAddresses].map(away), ca: undefined },
    api: apiReader(apiUrl, "token"),
    lookUp: () => Promise.reject(new Error("no name is looked up")),
    askHost: () => Promise.reject(new Error("nobody is there")),
  });
  return Object.fromEntries(found.map((one) => [one.id, `${one.status}: ${one.says}`]));
}

describe("an answer of the API that is", () => {
  it.each<[string, number, string]>([
    ["an error envelope with 503", 503, '{"success":false,"errors":[{"code":1000,"message":"down"}],"result":null}'],
    ["an error envelope with 200", 200, '{"success":false,"errors":[{"code":1000,"message":"down"}],"result":null}'],
    ["an error page", 502, "<html>Bad gateway</html>"],
    ["nothing", 200, ""],
    ["null", 200, "null"],
    ["a text", 200, '"down"'],
    ["an envelope without a result", 200, '{"success":true}'],
    ["an envelope with null", 200, '{"success":true,"errors":null,"result":null,"result_info":null}'],
    ["an envelope with a text", 200, '{"success":true,"errors":"down","result":"down"}'],
    ["an envelope with an object for everything", 200, '{"success":true,"result":{}}'],
    ["an envelope with a list for everything", 200, '{"success":true,"result":[]}'],
    ["an envelope with a list of nothing", 200, '{"success":true,"result":[null,1,"x"]}'],
    ["an envelope with a list of empty objects", 200, '{"success":true,"result":[{}]}'],
    ["one with ranges of another form", 200, '{"success":true,"result":{"ipv4_cidrs":"x","ipv6_cidrs":null}}'],
  ])("%s is a finding, and no error", async (_, code, text) => {
    [status, body] = [code, text];
    const found = await findings();
    expect(Object.values(found).join("\n")).not.toMatch(/TypeError|undefined \(|at .*\.ts:/);
    expect(found["api-token"]).toMatch(/^(wrong|unknown|ok): /);
    expect(found["workstation-clock"]).toBeDefined();
  });

  it("an error says Cloudflare's own words", async () => {
    [status, body] = [503, '{"success":false,"errors":[{"message":"the service is down"}],"result":null}'];
    expect((await findings())["api-token"]).toBe(
      "unknown: the API request failed: it answers 503, the service is down",
    );
  });
});

describe("straight to the host", () => {
  const network = { detours: [], ca: undefined };
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));

  it("cannot be judged on the host itself", async () => {
    for (const sshAddress of ["localhost", "127.0.0.1", "::1", ...own]) {
      const { status: judged, says } = await straightToHost(network, { originAddresses: [], sshAddress }, [443]);
      expect(`${judged}: ${says}`, sshAddress).toBe(
        "unknown: this is the host itself, which reaches its own ports whatever the firewall does",
      );
    }
  });

  it("is judged where a loopback address is that of a jump host", async () => {
    const sshJump = { address: "203.0.113.9", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA" };
    const { says } = await straightToHost(network, { originAddresses: [], sshAddress: "127.0.0.1", sshJump }, [443]);
    expect(says).not.toContain("this is the host itself");
  });

  it("knows this machine's own addresses", () => {
    expect(
      ["127.0.0.1", "127.9.9.9", "::1", "0:0:0:0:0:0:0:1", "localhost", ...own].filter((one) => !isThisMachine(one)),
    ).toEqual([]);
    expect(["203.0.113.10", "2001:db8::10", "photos.example.com"].filter(isThisMachine)).toEqual([]);
  });
});

describe("a login that ends without an answer says", () => {
  it.each<[string, Parameters<typeof whyNoAnswer>, string]>([
    [
      "a cloud image's words for root",
      [142, 'Please login as the user "admin" rather than the user "root".\n\n', ""],
      'the login has ended with status 142 with the words "Please login as the user \\"admin\\" rather than the user \\"root\\"."; see what `ssh` prints as that user',
    ],
    [
      "that it said nothing",
      [142, "\n \n", ""],
      "the login has ended with status 142 without a word; see what `ssh` prints as that user",
    ],
    [
      "what another program wrote to standard error",
      [1, "Welcome", "This account is currently not available.\n"],
      'the login has ended with status 1 with the words "This account is currently not available."; see what `ssh` prints as that user',
    ],
    [
      "the agent's own words",
      [1, "", "Last login\nimmich-access: /usr/bin/python3 is missing\n"],
      "the host says: /usr/bin/python3 is missing",
    ],
    [
      "nothing that moves the terminal's cursor",
      [1, "\u001b[2Jgone\u0007\n", ""],
      'the login has ended with status 1 with the words "[2Jgone"; see what `ssh` prints as that user',
    ],
  ])("%s", (_, args, expected) => {
    expect(whyNoAnswer(...args)).toBe(expected);
  });
});
