// nginx's `http` block is the owner's. Whatever stands there, our servers ask everybody for what they always ask for, and
// pass on what a visitor has sent; or the step refuses it.

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newKey, selfSigned } from "../../dev/sandbox/certificates/x509.ts";
import { unknownDirectives } from "./support/directives.ts";
import { groups, HOSTILE, REFUSED } from "./support/hostile.ts";
import { clientCertificate, type Origin, type RequestOptions, type Seen, SITE, VALID } from "./support/origin.ts";
import { checkedPayload, newTeamKey, startCheckedOrigin, type Team } from "./support/team.ts";

const OWNER = "/etc/nginx/conf.d/owner.conf";
/** What the owner's files trust: an authority that signs for everybody. */
const PUBLIC_KEY = newKey("rsa");
const PUBLIC = selfSigned({ subject: [["CN", "public authority"]], ...VALID }, PUBLIC_KEY);
const FOREIGN = clientCertificate(PUBLIC);

let origin: Origin;
let team: Team;

beforeAll(async () => {
  ({ origin, team } = await startCheckedOrigin());
  await origin.host.inside("cat >/etc/ssl/owner.pem", { input: PUBLIC.certificate });
  await origin.host.inside("cat >/etc/ssl/owner.key", { input: PUBLIC_KEY.pem });
  await origin.run(
    "openssl dhparam -out /etc/ssl/owner.dh -dsaparam 2048 2>&1; cd /tmp && touch index && " +
      "printf '[ca]\\ndefault_ca=o\\n[o]\\ndatabase=/tmp/index\\ndefault_md=sha256\\n' >ca.cnf && openssl ca -config ca.cnf -gencrl " +
      "-crldays 9 -keyfile /etc/ssl/owner.key -cert /etc/ssl/owner.pem -out /etc/ssl/owner.crl 2>&1; mkdir -p owner",
  );
});
afterAll(async () => {
  team.close();
  await origin.close();
});

/** Puts lines into the owner's `http` block for the body. */
async function withHttp<T>(lines: string, body: () => Promise<T>): Promise<T> {
  try {
    await origin.reloadNginx(`echo '${lines}' >${OWNER}`);
    return await body();
  } finally {
    await origin.run(`rm ${OWNER}`);
  }
}

const assertion = (token: string) => ({ "cf-access-jwt-assertion": token });

/** The status of a request, and whether it has reached Immich. */
async function visit(options: RequestOptions = {}): Promise<{ status: number; reached: boolean }> {
  const before = origin.requests;
  const { status } = await origin.get("/api/server/ping", options);
  return { status, reached: origin.requests > before };
}
const visitWith = (token: string) => visit({ headers: assertion(token) });

const IN = { status: 200, reached: true };
const OUT = { status: 403, reached: false };
const NO_CERTIFICATE = { status: 400, reached: false };
const DOWN = { status: 500, reached: false };

const stopVerifier = () => origin.run("systemctl stop immich-access-verifier.socket immich-access-verifier.service");
const startVerifier = () => origin.run("systemctl start immich-access-verifier.socket");

/** A token that has ended and stays good for this many seconds, because clocks may differ by a minute. */
const endsIn = (seconds: number) => team.token({ shift: seconds - 3660 });

/** Waits until a token opens the site no more. It is used all the while. */
const refused = (token: string) => expect.poll(() => visitWith(token), { interval: 500, timeout: 20_000 }).toEqual(OUT);

describe("the http block of the owner", () => {
  test("ssl_trusted_certificate: a certificate that some public authority has issued is not Cloudflare's", async () => {
    const headers = assertion(await team.token());
    await withHttp("ssl_trusted_certificate /etc/ssl/owner.pem;", async () => {
      expect(await visit({ client: FOREIGN, headers })).toEqual(NO_CERTIFICATE);
      expect(await visit({ headers })).toEqual(IN);
    });
  });

  test("proxy_cache_use_stale: an ended token is good no more, and a cached yes ends without the verifier", async () => {
    await withHttp("proxy_cache_use_stale updating error; proxy_cache_background_update on;", async () => {
      const token = await endsIn(6);
      expect(await visitWith(token)).toEqual(IN);
      await refused(token);
      const good = await team.token();
      expect(await visitWith(good)).toEqual(IN);
      await stopVerifier();
      await expect.poll(() => visitWith(good), { interval: 500, timeout: 20_000 }).toEqual(DOWN);
      await startVerifier();
    });
  });

  test("error_page for a missing certificate: nothing of Immich is shown in its place", async () => {
    const headers = assertion(await team.token());
    await withHttp("error_page 400 495 496 497 = /api/server/ping;", async () => {
      expect(await visit({ client: null, headers })).toEqual(NO_CERTIFICATE);
      expect(await visit({ client: FOREIGN, headers })).toEqual(NO_CERTIFICATE);
    });
  });

  test("error_page =200 for a stopped verifier: does not answer the question for the token", async () => {
    await withHttp("error_page 500 502 503 504 =200 /maintenance.html;", async () => {
      await stopVerifier();
      expect(await visit()).toEqual(DOWN);
      await startVerifier();
    });
  });

  test("proxy_intercept_errors and error_page =200 for a refused token: it stays refused", async () => {
    await withHttp("proxy_intercept_errors on; error_page 403 =200 /api/server/ping;", async () => {
      expect(await visit()).toEqual(OUT);
      expect(await visitWith("a.b.c")).toEqual(OUT);
    });
  });

  test("proxy_ignore_headers: an ended token is good no more", async () => {
    await withHttp("proxy_ignore_headers X-Accel-Expires; proxy_cache_valid any 10m;", async () => {
      const token = await endsIn(3);
      expect(await visitWith(token)).toEqual(IN);
      await refused(token);
    });
  });
});

describe("each directive of the http block", () => {
  test("of this nginx is known to the host agent", async () => {
    expect(await unknownDirectives(origin.host)).toEqual([]);
  });

  test("that our server sets is tried here", async () => {
    const [server = ""] = (await origin.run(`cat /etc/nginx/sites-enabled/immich-access-${SITE}.conf`))
      .split(/^server /m)
      .slice(1);
    const set = new Set([...server.matchAll(/^ {4}([a-z]\w+) .*;$/gm)].map(([, name = ""]) => name));
    for (const name of ["listen", "server_name", "include"]) expect(set.delete(name), name).toBe(true);
    expect(set.size).toBeGreaterThan(80);
    expect(
      Object.keys(HOSTILE)
        .filter((name) => name !== "set_real_ip_from")
        .sort(),
    ).toEqual([...set].sort());
  });

  test("that our server sets changes nothing, whatever it says", { timeout: 300_000 }, async () => {
    const [good, wrong] = [await team.token(), await team.token({ key: newTeamKey() })];
    /** All that a stranger and a visitor see of the site. */
    const proofs = async () => {
      const before = origin.requests;
      const [, , , , own] = await Promise.all([
        visited({ client: null, headers: assertion(good) }),
        visited({ client: FOREIGN, headers: assertion(good) }),
        visited({}),
        visited({ headers: assertion(wrong) }),
        visitor(good),
      ]).then((all) => {
        expect(all.slice(0, 4)).toEqual([400, 400, 403, 403]);
        return all;
      });
      return { own, reached: origin.requests - before };
    };
    const visited = async (options: RequestOptions) => (await origin.get("/api/assets", options)).status;
    const expected = await proofs();
    expect(expected.reached).toBe(1);
    /** What comes of these directives, with what went wrong. */
    const tried = (names: readonly string[]) =>
      withHttp(names.map((name) => HOSTILE[name]).join("\n"), async () => ({ ...(await proofs()), said: "" })).catch(
        (error: unknown) => ({ said: String(error) }),
      );
    for (const group of groups(6)) {
      if (isDeepStrictEqual(await tried(group), { ...expected, said: "" })) continue;
      // Which of them it is
      for (const name of group) expect({ name, ...(await tried([name])) }).toEqual({ name, ...expected, said: "" });
      expect(group, "these change something together").toEqual([]);
    }
    expect(await origin.run("find /tmp/owner-store /tmp/owner /var/lib/nginx/body -type f 2>/dev/null || true")).toBe(
      "",
    );
  });

  /** What a visitor with a token gets, and what Immich has seen of it. */
  async function visitor(token: string) {
    const request = await origin.request("//api//assets?a=1", {
      method: "POST",
      headers: {
        ...assertion(token),
        "cf-connecting-ip": "192.0.2.7",
        "x-real-ip": "10.0.0.9",
        "x-forwarded-for": "10.0.0.9",
        X_Real_IP: "10.0.0.9",
        cookie: "CF_Authorization=a.b.c; x=1",
        range: "bytes=0-1",
        "content-length": 4,
      },
    });
    request.end("body");
    const [response] = (await once(request, "response")) as [IncomingMessage];
    let body = "";
    for await (const chunk of response) body += String(chunk);
    const { date: _, ...headers } = response.headers;
    return { status: response.statusCode, headers, trailers: response.trailers, seen: JSON.parse(body) as Seen };
  }

  test.each(Object.entries(REFUSED))("that our server cannot set is refused: %s", async (name, lines) => {
    await withHttp(`gzip_vary on;\n${lines}`, async () => {
      const before = await origin.snapshot();
      expect(await origin.refuse("nginx", checkedPayload)).toMatch(
        new RegExp(
          `^immich-access: ${name} in the http block \\(${OWNER}:2\\) would .*; move it into the server blocks that need ` +
            "it; nothing has been changed\n$",
        ),
      );
      expect(await origin.snapshot()).toBe(before);
    });
  });

  test("is no obstacle where others have it in servers of their own", async () => {
    const lines = `server { listen 127.0.0.1:8080; ${Object.values(REFUSED).join(" ")} }`;
    await withHttp(lines, () => origin.apply("nginx", checkedPayload));
  });
});
