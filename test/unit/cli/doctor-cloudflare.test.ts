import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiReader } from "../../../cli/doctor/cloudflare/api.ts";
import { originCertificateFindings, originPullsFindings } from "../../../cli/doctor/cloudflare/certificates.ts";
import { stackFinding } from "../../../cli/doctor/deployed.ts";
import type { Finding } from "../../../cli/doctor/finding.ts";
import { checkSettings } from "../../../settings/check.ts";
import { issue, newKey, selfSigned } from "../../../dev/sandbox/certificates/x509.ts";
import { GOOD } from "../support/configuration.ts";

const { values } = checkSettings(GOOD);
if (!values) throw new Error("the good configuration is not good");
const settings = values;

const brief = ({ status, says }: Finding) => `${status}: ${says}`;
const DAY = 86_400_000;
const now = new Date("2026-11-24T12:00:00Z");

/** A certificate of a CA, with days until its end. */
function certificate(ca: ReturnType<typeof selfSigned>, days: number): string {
  const validity = { notBefore: new Date(now.getTime() - 90 * DAY), notAfter: new Date(now.getTime() + days * DAY) };
  return issue(ca, { subject: [["CN", "one"]], publicKey: newKey("ec").publicKey, ...validity });
}
const ca = (name: string) =>
  selfSigned({
    subject: [["CN", name]],
    notBefore: new Date(now.getTime() - DAY),
    notAfter: new Date(now.getTime() + 3650 * DAY),
  });

describe("certificates", () => {
  const [own, other] = [ca("own"), ca("other")];
  const wanted = { settings, now };
  const pulls = (days: number, status = "active") => ({
    enabled: true,
    certificate: {
      certificate: certificate(own, days),
      status,
      expires_on: new Date(now.getTime() + days * DAY).toISOString(),
    },
  });

  it("the doctor checks that the origin-pull certificate is in use, from the host's CA, and not about to expire", () => {
    const told = (...args: [Parameters<typeof originPullsFindings>[0], string | undefined]) =>
      originPullsFindings(...args, wanted).map(brief);
    expect(told(pulls(90), own.certificate)).toEqual([
      "ok: on, with a certificate that the host trusts",
      "ok: until 2027-02-22",
    ]);
    expect(told(pulls(90), undefined)).toEqual(["ok: on", "ok: until 2027-02-22"]);
    expect(told(pulls(90), other.certificate)[0]).toMatch(/^wrong: .* not signed by the CA that the host trusts/);
    expect(told(pulls(90, "pending_deployment"), own.certificate)[0]).toMatch(
      /^wrong: .* status is pending_deployment/,
    );
    expect(told(pulls(10), own.certificate)[1]).toBe("warning: ends on 2026-12-04, in 10 days");
    expect(told(pulls(-1), own.certificate)[1]).toBe("wrong: ended on 2026-11-23");
    expect(told(undefined, own.certificate)).toEqual(["wrong: are off"]);
    expect(told({ ...pulls(90), enabled: false }, own.certificate)).toEqual(["wrong: are off"]);
    expect(told({ enabled: true }, own.certificate)).toEqual([
      "ok: on, with the certificate that all of Cloudflare's customers share",
    ]);
  });

  it("the doctor's remedy switches origin pulls on again in a way that the provider sees", () => {
    const fix = (mode: "hostname" | "zone") =>
      originPullsFindings(undefined, undefined, { ...wanted, settings: { ...settings, originPulls: mode } })[0]?.fix;
    expect(fix("hostname")).toBe("pulumi up --replace '**::photos.example.com-origin-pulls-certificate-leaf'");
    expect(fix("zone")).toBe("pulumi up --refresh");
  });

  it("the doctor checks that the host's certificate is known to Cloudflare, not revoked, and not about to expire", () => {
    const [long, short] = [certificate(own, 90), certificate(own, 10)];
    const told = (...args: [Parameters<typeof originCertificateFindings>[0], string]) =>
      originCertificateFindings(...args, wanted).map(brief);
    expect(told([{ certificate: short }, { certificate: long }], long)).toEqual([
      "ok: the host's is among those that Cloudflare lists as valid",
      "ok: until 2027-02-22",
    ]);
    expect(told([{ certificate: short }], long)[0]).toMatch(/^wrong: .* not among/);
    expect(told([{ certificate: long, revoked_at: "2026-11-01T00:00:00Z" }], long)[0]).toBe(
      "wrong: the host's is revoked",
    );
    expect(told([{ certificate: short }], short)[1]).toBe("warning: ends on 2026-12-04, in 10 days");
  });
});

const DEVICE = { clientId: "1", clientSecret: "s", expiresAt: "2027-11-24T10:00:00Z" };

it("the doctor names what the last up has left to do", () => {
  const devices = { "annas-phone": DEVICE, frame: { ...DEVICE, clientId: "2" } };
  const outputs = { url: "https://photos.example.com", audience: "aud", devices };
  const { frame, ...rest } = devices;
  expect(brief(stackFinding(settings, outputs))).toBe("ok: https://photos.example.com with 2 devices");
  expect(brief(stackFinding(settings, undefined))).toBe("wrong: has no outputs: no `up` has gone through yet");
  expect(brief(stackFinding(settings, { ...outputs, url: "https://other.example.com" }))).toMatch(/^wrong: serves/);
  expect(brief(stackFinding(settings, { ...outputs, devices: rest }))).toBe("wrong: has no token yet for frame");
  expect(brief(stackFinding(settings, { ...outputs, devices: { ...devices, tablet: frame } }))).toBe(
    "wrong: still has the token of tablet",
  );
  const shares = { ...settings, publicShareHostname: "shares.example.com" };
  const publicShareUrl = "https://shares.example.com";
  expect(stackFinding(shares, { ...outputs, publicShareUrl }).status).toBe("ok");
  expect(brief(stackFinding(shares, outputs))).toBe(
    "wrong: serves no public shares, and the settings say https://shares.example.com",
  );
  expect(brief(stackFinding(settings, { ...outputs, publicShareUrl }))).toMatch(/the settings say no public shares$/);
});

it("the doctor names what the last up has left to do for further sites", () => {
  const { values: several } = checkSettings({
    ...GOOD,
    moreSites: JSON.stringify([
      {
        hostname: "album.example.com",
        immichUpstream: "127.0.0.1:2284",
        emails: ["b@example.com"],
        devices: ["frame"],
      },
    ]),
  });
  if (!several) throw new Error("the settings of two sites are not good");
  const main = {
    url: "https://photos.example.com",
    audience: "aud",
    devices: { "annas-phone": DEVICE, frame: DEVICE },
  };
  const album = { url: "https://album.example.com", audience: "other", devices: { frame: DEVICE } };
  const told = (moreSites: Record<string, typeof album>, wanted = several) =>
    brief(stackFinding(wanted, { ...main, moreSites }));
  expect(told({ "album.example.com": album })).toBe(
    "ok: https://photos.example.com with 2 devices, https://album.example.com with a device",
  );
  expect(told({})).toBe("wrong: does not serve album.example.com yet");
  expect(told({ "album.example.com": { ...album, devices: { frame: DEVICE, tablet: DEVICE } as never } })).toBe(
    "wrong: still has the token of tablet (album.example.com)",
  );
  expect(told({ "album.example.com": { ...album, devices: {} as never } })).toBe(
    "wrong: has no token yet for frame (album.example.com)",
  );
  expect(told({ "album.example.com": album }, settings)).toBe("wrong: still serves album.example.com");
});

describe("the API", () => {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    asked.push(`${request.headers.authorization ?? ""} ${request.url ?? ""}`);
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
    const page = Number(url.searchParams.get("page"));
    if (url.pathname === "/list") send(200, { result: [{ page }], result_info: { page, per_page: 1, total_pages: 3 } });
    else if (url.pathname === "/uncounted")
      send(200, { result: page > 2 ? [] : Array<object>(50).fill({ page }), result_info: { page, per_page: 50 } });
    else if (url.pathname === "/unpaged")
      send(200, { result: Array<object>(50).fill({ a: 1 }), result_info: { page: 1, per_page: 50 } });
    else if (url.pathname === "/plain") send(200, { result: Array<object>(60).fill({ a: 1 }) });
    else if (url.pathname === "/denied")
      send(403, { result: null, errors: [{ code: 10000, message: "Authentication error" }] });
    else if (url.pathname === "/once" && asked.length === 1) send(503, "<html>");
    else if (url.pathname === "/broken") send(502, "<html>");
    else send(200, { result: { found: url.pathname } });
  });
  let base: string;

  beforeAll(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}`;
  });
  afterAll(() => server.close());

  it("the doctor reads all pages of a list from the API, with the token", async () => {
    asked.length = 0;
    expect(await apiReader(base, "token").all("/list?name=x")).toEqual([1, 2, 3].map((page) => ({ page })));
    expect(asked[0]).toBe("Bearer token /list?name=x&page=1&per_page=50");
  });

  it.each([
    ["/uncounted", 100, 3],
    ["/unpaged", 50, 2],
    ["/plain", 60, 1],
  ])("the doctor reads all of a list that does not say how long it is: %s", async (path, length, requests) => {
    asked.length = 0;
    expect(await apiReader(base, "token").all(path)).toHaveLength(length);
    expect(asked).toHaveLength(requests);
  });

  it("the doctor repeats a request that failed, not one that was refused", async () => {
    asked.length = 0;
    expect(await apiReader(base, "token").one("/once")).toEqual({ found: "/once" });
    expect(asked).toHaveLength(2);
    await expect(apiReader(base, "token").one("/denied")).rejects.toMatchObject({
      status: 403,
      path: "/denied",
      message: "it answers 403, Authentication error (10000)",
    });
    expect(asked).toHaveLength(3);
  });

  it("the doctor reports an API that answers something else, or not at all", async () => {
    await expect(apiReader(base, "token").one("/broken")).rejects.toMatchObject({ status: 502 });
    await expect(apiReader("http://127.0.0.1:17999", "token").one("/x")).rejects.toMatchObject({
      status: 0,
      message: expect.stringContaining("ECONNREFUSED") as string,
    });
  });
});
