// What the doctor makes of the answers that come through Cloudflare.
import { describe, expect, it } from "vitest";
import { allowedFinding, strangerFinding, wrongTokenFinding } from "../../../cli/doctor/edge.ts";
import type { Check, Finding } from "../../../cli/doctor/finding.ts";
import { apiHiddenFinding, sharePagesFinding } from "../../../cli/doctor/shares.ts";

const CHECK: Check = { id: "check", place: "host", title: "A check", why: "It matters.", fix: "mend" };
const TEAM = "team.cloudflareaccess.com";

const brief = ({ status, says }: Finding) => `${status}: ${says}`;
const answer = (status: number, body = "", location = "") => ({ status, body, location, isChallenge: false });
const challenge = { ...answer(403), isChallenge: true };
const login = (host = TEAM) => answer(302, "", `https://${host}/cdn-cgi/access/login/photos.example.com?kid=1`);
const PONG = answer(200, '{"res":"pong"}');
const ELSEWHERE = answer(302, "", "https://elsewhere.example.com/cdn-cgi?to=/cdn-cgi/access/login");
const NO_HUMAN = /Bot Fight Mode/;

describe("a stranger", () => {
  const told = (given: Parameters<typeof strangerFinding>[0], team = TEAM) =>
    brief(strangerFinding(given, team, false));

  it("must get the login page of the team, and of any team if it is not known", () => {
    expect(told(login())).toBe("ok: gets the login page");
    expect(told(login("other.cloudflareaccess.com"), "")).toBe("ok: gets the login page");
    expect(told(login("other.cloudflareaccess.com"))).toBe(
      "wrong: gets the login page of other.cloudflareaccess.com, not that of team.cloudflareaccess.com",
    );
  });

  it("who is refused without a login page shows that nobody can log in", () => {
    for (const status of [401, 403]) {
      expect(told(answer(status))).toBe(`wrong: gets ${status.toString()} and no login page, so nobody can log in`);
    }
  });

  it("who is refused may get the login page a little later, if Access has just been changed", () => {
    for (const status of [401, 403]) {
      expect(strangerFinding(answer(status), TEAM, true)).toMatchObject({
        status: "unknown",
        says: expect.stringContaining("younger than two minutes") as string,
        fix: expect.stringMatching(/^wait: /) as string,
      });
    }
    for (const other of [PONG, ELSEWHERE, challenge, login("other.cloudflareaccess.com"), answer(522)])
      expect(strangerFinding(other, TEAM, true)).toEqual(strangerFinding(other, TEAM, false));
  });

  it("who is challenged does not reach Access", () => {
    expect(told(challenge)).toBe("wrong: gets 403, Cloudflare asks for proof of a human (cf-mitigated: challenge)");
    expect(strangerFinding(challenge, TEAM, false).fix).toMatch(NO_HUMAN);
  });

  it("who gets anything else has passed Access", () => {
    expect(told(PONG)).toBe("wrong: reaches Immich (status 200)");
    expect(told(ELSEWHERE)).toBe("wrong: gets past Access (302, which leads to elsewhere.example.com)");
    expect(told(answer(302, "", "/auth/login"))).toBe(
      "wrong: gets past Access (302, which leads to another page of the site)",
    );
    expect(told(answer(522))).toBe(
      "wrong: gets past Access (522, the host does not answer Cloudflare: firewall or address)",
    );
    expect(told("no answer in time")).toBe("unknown: no answer in time");
  });
});

it("a wrong token may be refused or sent to the login page, and nothing else", () => {
  for (const status of [401, 403]) {
    expect(brief(wrongTokenFinding(answer(status)))).toBe(`ok: gets ${status.toString()}`);
  }
  expect(brief(wrongTokenFinding(login()))).toBe("ok: gets the login page");
  expect(brief(wrongTokenFinding(PONG))).toBe("wrong: reaches Immich (status 200)");
  expect(brief(wrongTokenFinding(ELSEWHERE))).toMatch(/^wrong: gets past Access/);
  expect(wrongTokenFinding(challenge)).toMatchObject({
    status: "unknown",
    fix: expect.stringMatching(NO_HUMAN) as string,
  });
});

describe("a device", () => {
  const told = (given: Parameters<typeof allowedFinding>[1], isSettling = false) =>
    brief(allowedFinding(CHECK, given, isSettling));

  it("must reach Immich", () => {
    expect(told(PONG)).toBe("ok: reaches Immich");
    expect(told(answer(200, "something else"))).toBe("wrong: does not reach Immich: status 200");
    expect(told(answer(526))).toContain("Cloudflare does not accept the host's certificate");
    expect(told(login())).toMatch(/^wrong: .*no policy admits the token$/);
  });

  it("that is taken for a bot has the remedy for that", () => {
    const found = allowedFinding(CHECK, challenge, true);
    expect(brief(found)).toBe(
      "wrong: does not reach Immich: 403, Cloudflare asks for proof of a human (cf-mitigated: challenge)",
    );
    expect(found.fix).toMatch(NO_HUMAN);
  });

  it("that the host turns away for want of a certificate has the zone's own setting as a remedy", () => {
    const { status, fix } = allowedFinding(CHECK, answer(400), false);
    expect(status).toBe("wrong");
    expect(fix).toMatch(/nothing wrong with the origin pulls.*Authenticated Origin Pulls.*originPulls zone/);
  });

  it("is not called ill while Access may not be in force yet", () => {
    for (const given of [login(), answer(401), answer(403)]) {
      const found = allowedFinding(CHECK, given, true);
      expect(brief(found)).toMatch(/^unknown: does not reach Immich: .*younger than two minutes$/);
      expect(found.fix).toBe("wait: Access takes up to two minutes to be in force; then run the doctor again");
    }
    expect(told(answer(522), true)).toMatch(/^wrong: /);
    expect(told(PONG, true)).toBe("ok: reaches Immich");
  });
});

describe("public shares", () => {
  it("the doctor judges the public shares' answer to a stranger", () => {
    expect(brief(sharePagesFinding(answer(200, "ok")))).toBe("ok: gets to immich-public-proxy");
    expect(brief(sharePagesFinding(login()))).toBe("wrong: gets the login page of an Access application");
    expect(brief(sharePagesFinding(answer(502)))).toBe(
      "wrong: gets 502, the host's nginx does not reach immich-public-proxy",
    );
    expect(brief(sharePagesFinding(answer(503)))).toBe("wrong: gets 503, immich-public-proxy does not reach Immich");
    expect(brief(sharePagesFinding(answer(522)))).toMatch(/^wrong: gets 522, the host does not answer Cloudflare/);
    expect(brief(sharePagesFinding("no answer in time"))).toBe("unknown: no answer in time");
    expect(sharePagesFinding(challenge).fix).toMatch(NO_HUMAN);
  });

  it("the doctor judges the public shares' answer to a stranger who asks for Immich's API", () => {
    expect(brief(apiHiddenFinding(answer(404)))).toBe("ok: a stranger's ping gets 404");
    expect(brief(apiHiddenFinding(login()))).toBe("ok: a stranger's ping gets the login page");
    expect(brief(apiHiddenFinding(PONG))).toBe("wrong: reaches Immich (status 200)");
    expect(brief(apiHiddenFinding(answer(200)))).toBe("wrong: is answered with 200, and not with 404");
    for (const status of [400, 502, 522]) expect(apiHiddenFinding(answer(status)).status).toBe("unknown");
    expect(brief(apiHiddenFinding("no answer in time"))).toBe("unknown: no answer in time");
    expect(apiHiddenFinding(challenge)).toMatchObject({
      status: "unknown",
      fix: expect.stringMatching(NO_HUMAN) as string,
    });
  });
});
