import { once } from "node:events";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answer, certificatesPayload, nginxPayload, Origin, serverCertificate, SITE } from "./support/origin.ts";
import { AUDIENCE, checkedPayload, newTeamKey, Team, TEAM, type TokenChange } from "./support/team.ts";
import { IN, openWebsocketTo, OUT, visitOrigin } from "./support/visits.ts";

const KEYS_FILE = `/var/lib/immich-access/access/keys/${TEAM}.json`;

let origin: Origin;
let team: Team;

beforeAll(async () => {
  origin = await Origin.start();
  team = await Team.start(origin);
  await origin.apply("certificates", certificatesPayload(serverCertificate()));
});
afterAll(async () => {
  team.close();
  await origin.close();
});

const visit = (token?: string) => visitOrigin(origin, token);
const visitWith = async (change?: TokenChange) => visit(await team.token(change));

/** What the token check has put on the host; the rest is the firewall's. */
const left = () => {
  const own = ["/run/immich-access-tokens-*", "/run/immich-access-verifier*", "/var/lib/immich-access/access"];
  const units = ["verifier", "keys"].map((unit) => `/etc/systemd/system/immich-access-${unit}.*`);
  return origin.run(`ls -d ${[...own, ...units].join(" ")} 2>/dev/null || true`);
};
const failedUnits = () => origin.run("systemctl --failed --no-legend --plain | cut -d' ' -f1");
const mainPid = () => origin.run("systemctl show -p MainPID --value immich-access-verifier");

describe("a site with the token check", () => {
  test("the token check is refused, with nothing changed, if its keys cannot be fetched over a trusted connection", async () => {
    const before = await origin.snapshot();
    expect(await origin.refuse("nginx", checkedPayload)).toMatch(
      /^immich-access: cannot fetch https:\/\/home\.cloudflareaccess\.localhost\/cdn-cgi\/access\/certs: .*certificate verify failed.*; nothing has been changed\n$/,
    );
    await team.trustedBy(origin);
    team.answer = "<html>no such team</html>";
    expect(await origin.refuse("nginx", checkedPayload)).toContain("is teamDomain right?; nothing has been changed");
    delete team.answer;
    expect(await origin.refuse("nginx", { ...checkedPayload, audience: "" })).toContain("audience is shorter than 1");
    expect(await origin.snapshot()).toBe(before);
    expect(await left()).toBe("");
  });

  test("the token check admits people and devices that passed Access, and nobody else", async () => {
    expect(await origin.apply("nginx", checkedPayload)).toMatch(
      `nginx serves ${SITE} for ${nginxPayload.upstream} with tokens of the application ${AUDIENCE.slice(0, 16)}, config `,
    );
    expect(await visit()).toEqual(OUT);
    expect(await visitWith()).toEqual(IN);
    const device = { aud: AUDIENCE, sub: "", common_name: "0123.access" };
    expect(await visitWith({ claims: device, without: ["email", "nbf", "identity_nonce"] })).toEqual(IN);
  });

  test("a second run of the token check changes nothing", async () => {
    const looked = async () => [await origin.snapshot(), await mainPid(), await origin.run(`stat -c %y ${KEYS_FILE}`)];
    const [before, asked] = [await looked(), team.asked];
    await origin.apply("nginx", checkedPayload);
    expect(await looked()).toEqual(before);
    expect(team.asked).toBe(asked);
  });

  test("the site keeps its application if nginx cannot apply the change", async () => {
    const failing = { ...checkedPayload, audience: "d".repeat(64), upstream: "immich.invalid:2283" };
    expect(await origin.refuse("nginx", failing)).toContain("everything is as before");
    expect(await visitWith()).toEqual(IN);
    expect(await visitWith({ claims: { aud: ["d".repeat(64)] } })).toEqual(OUT);
  });
});

describe("tokens", () => {
  test("a token of a key newer than the last refresh is accepted at once, one of a withdrawn key is not", async () => {
    const former = team.keys[0] ?? newTeamKey();
    team.keys = [newTeamKey(), newTeamKey()];
    expect(await visitWith()).toEqual(IN);
    expect(await visitWith({ key: former })).toEqual(OUT);
  });

  test("tokens of invented keys do not make the host fetch keys again and again", async () => {
    const asked = team.asked;
    for (let tries = 0; tries < 5; tries += 1) expect(await visitWith({ key: newTeamKey() })).toEqual(OUT);
    expect(team.asked).toBe(asked);
  });

  test("a token may be a minute early or late by this host's clock", async () => {
    expect(await visitWith({ shift: 50 })).toEqual(IN);
    expect(await visitWith({ shift: -3650 })).toEqual(IN);
  });

  test.each<[string, () => string | undefined | Promise<string>]>([
    ["none", () => undefined],
    ["something else", () => "Bearer x"],
    ["one that is not valid yet", () => team.token({ shift: 120 })],
    ["an expired one", () => team.token({ shift: -3720 })],
    ["one for another application", () => team.token({ claims: { aud: ["b".repeat(64)] } })],
    ["one of another team", () => team.token({ claims: { iss: "https://other.cloudflareaccess.com" } })],
    ["one for the team domain", () => team.token({ claims: { aud: TEAM, type: "org" } })],
    ["one without an end", () => team.token({ without: ["exp"] })],
    ["one signed by somebody else under a known key's name", () => team.token({ key: newTeamKey(), kid: kid() })],
    ["one that is not signed", () => unsigned()],
    ["one signed with the public key as if that were a secret", () => symmetric()],
    ["one whose end was cut off", async () => (await team.token()).slice(0, -3)],
    ["one with other claims under a good signature", () => altered()],
  ])("nginx refuses %s as a token, and Immich sees nothing", async (_what, token) => {
    expect(await visit(await token())).toEqual(OUT);
  });

  const kid = () => team.keys[0]?.kid ?? "";
  const claims = () => ({ aud: [AUDIENCE], iss: `https://${TEAM}`, iat: now(), exp: now() + 3600 });
  const now = () => Math.floor(Date.now() / 1000);
  const unsigned = () => new UnsecuredJWT(claims()).encode();
  const symmetric = () => {
    const pem = team.keys[0]?.publicKey.export({ type: "spki", format: "pem" }) ?? "";
    const secret = Buffer.from(pem);
    return new SignJWT(claims()).setProtectedHeader({ alg: "HS256", kid: kid() }).sign(secret);
  };
  const altered = async () => {
    const [good, other] = [await team.token(), await team.token({ claims: { email: "mallory@example.net" } })];
    expect(await visit(good)).toEqual(IN);
    const [[head, , signature], [, body]] = [good.split("."), other.split(".")];
    return [head, body, signature].join(".");
  };
});

describe("traffic with a token", () => {
  test("a websocket passes both ways with a token, and not without one", async () => {
    const opened = await openWebsocketTo(origin, { "cf-access-jwt-assertion": await team.token() });
    opened.send("photo");
    const [data] = (await once(opened, "message")) as [Buffer];
    expect(data.toString()).toBe("photo");
    opened.terminate();
    await expect(openWebsocketTo(origin, {})).rejects.toThrow("403");
  });

  test("an upload with a token streams through, with nothing on the disk", async () => {
    const half = Buffer.alloc(32 << 20, 1);
    const before = origin.received;
    const request = await origin.request("/api/assets", {
      method: "POST",
      headers: { "content-length": 2 * half.length, "cf-access-jwt-assertion": await team.token() },
    });
    request.write(half);
    await expect.poll(() => origin.received - before, { timeout: 60_000 }).toBeGreaterThan(31 << 20);
    const workers = "pgrep -f '^nginx: worker process$'";
    const files = `for pid in $(${workers}); do ls -l /proc/$pid/fd; done | grep '/var/lib/nginx/' || true`;
    expect(await origin.run(files)).toBe("");
    request.end(half);
    expect((await answer(request)).status).toBe(200);
    expect(origin.received - before).toBe(2 * half.length);
  });
});

describe("the team's keys", () => {
  const refresh = () => origin.host.inside("systemctl start immich-access-keys.service");

  test("the keys stay in use while Access does not answer, which shows in the failed units", async () => {
    await team.pause();
    expect((await refresh()).code).not.toBe(0);
    expect(await failedUnits()).toBe("immich-access-keys.service");
    const said = await origin.host.journal("immich-access-keys", "-n 20 -t python3");
    expect(said).toMatch(/^immich-access: cannot fetch .*; the former keys stay in use$/m);
    expect(await visitWith()).toEqual(IN);
  });

  test("the keys stay in use through a reboot", async () => {
    await origin.host.reboot();
    await origin.startRelays();
    expect(await visitWith()).toEqual(IN);
    expect(await visit()).toEqual(OUT);
  });

  test("without any keys nobody is admitted", async () => {
    await origin.run(`rm ${KEYS_FILE}`);
    expect(await visitWith()).toEqual(OUT);
  });

  test("the keys come back with the hourly refresh", async () => {
    await team.resume();
    await origin.relay("edge", [team.route]);
    expect((await refresh()).code).toBe(0);
    expect(await visitWith()).toEqual(IN);
    expect(await failedUnits()).toBe("");
    const timer = "systemctl show immich-access-keys.timer -p ActiveState -p RandomizedDelayUSec -p Persistent";
    expect(await origin.run(timer)).toBe("RandomizedDelayUSec=30min\nPersistent=yes\nActiveState=active");
  });

  test.each(["", "{}", '{"keys":[]}', '{"keys":[{"kid":"x","kty":"RSA","n":"AQAB","e":"AQAB"}]}'])(
    "the keys are not replaced by %j",
    async (document) => {
      team.answer = document;
      expect((await refresh()).code).not.toBe(0);
      expect(await visitWith()).toEqual(IN);
      delete team.answer;
    },
  );
});

describe("changes of the token check", () => {
  test("the token check follows a new application, and tokens of the old one are refused", async () => {
    const audience = "c".repeat(64);
    await origin.apply("nginx", { ...checkedPayload, audience });
    expect(await visitWith()).toEqual(OUT);
    expect(await visitWith({ claims: { aud: [audience] } })).toEqual(IN);
  });

  test("the token check is switched off and on without downtime for anyone with a token", async () => {
    await origin.apply("nginx", checkedPayload);
    for (const payload of [nginxPayload, checkedPayload]) {
      let over = false;
      const visits = (async () => {
        const seen = new Set<number>();
        while (!over) seen.add((await visitWith()).status);
        return seen;
      })();
      await origin.apply("nginx", payload);
      over = true;
      expect(await visits).toEqual(new Set([200]));
      expect(await visit()).toEqual(payload.audience !== null ? OUT : IN);
      expect((await left()) === "").toBe(payload.audience === null);
    }
  });

  test("nothing of the token check is left on the host after removal", async () => {
    await origin.apply("site-remove", checkedPayload);
    expect(await left()).toBe("");
    expect(await failedUnits()).toBe("");
    expect(await origin.run("systemctl list-units --no-legend --plain 'immich-access-[kv]*' --all")).toBe("");
  });
});
