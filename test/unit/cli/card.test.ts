import jsQR from "jsqr";
import { describe, expect, it } from "vitest";
import { cardOf, deadlines, homeUrl } from "../../../cli/card/card.ts";
import { cardPage } from "../../../cli/card/page.ts";
import { qrLines } from "../../../cli/card/qr.ts";
import { cardText } from "../../../cli/card/terminal.ts";

const SECRET = `cfast_${"Ab1".repeat(16)}`;
const output = { clientId: `${"0f".repeat(16)}.access`, clientSecret: SECRET, expiresAt: "2027-11-24T10:00:00Z" };
const url = "https://photos.example.com";
const now = new Date("2026-11-24T10:00:00Z");
const card = cardOf("annas-phone", url, output, { deployedVersion: 1 }, undefined, now);

/** Reads QR codes as a camera does that sees a terminal: half blocks in their own colours, on a dark screen. */
function readCode(lines: readonly string[]): string | undefined {
  const rows = lines.flatMap((line) => {
    const cells = [...line.matchAll(/38;5;(\d+);48;5;(\d+)m▀/g)];
    return [cells.map(([, upper]) => upper === "16"), cells.map(([, , lower]) => lower === "16")];
  });
  const scale = 4;
  const size = Math.max(rows.length, rows[0]?.length ?? 0) * scale;
  const pixels = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      if (rows[Math.floor(y / scale)]?.[Math.floor(x / scale)])
        pixels.fill(0, (y * size + x) * 4, (y * size + x) * 4 + 3);
    }
  }
  // @ts-expect-error jsqr is CommonJS: its function is the module itself.
  return (jsQR as typeof jsQR.default)(pixels, size, size, { inversionAttempts: "dontInvert" })?.data;
}

describe("the card in the terminal", () => {
  it("the card in the terminal has the way through the app, both headers, the address and the expiry", () => {
    const text = cardText(card, false);
    for (const part of [
      "annas-phone at https://photos.example.com",
      `Header name\n   CF-Access-Client-Id\nHeader value\n   ${output.clientId}\n`,
      `Header name\n   CF-Access-Client-Secret\nHeader value\n   ${SECRET}\n`,
      "Server Endpoint URL\n   https://photos.example.com\n",
      "The token ends on 2027-11-24.",
      "Server is not reachable",
      "Could not connect to server. (older versions)",
    ]) {
      expect(text).toContain(part);
    }
    expect(text.replace(/\s+/g, " ")).toContain("tap Settings, Advanced, Custom proxy headers");
    expect(Math.max(...text.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(text).not.toContain("\u001b");
  });

  it("the card in the terminal adds a QR code for each of the five values", () => {
    const lines = cardText(card, true).split("\n");
    const codes: string[][] = [[]];
    for (const line of lines) {
      if (line.includes("▀")) codes.at(-1)?.push(line);
      else if (codes.at(-1)?.length) codes.push([]);
    }
    expect(codes.filter(({ length }) => length > 0).map(readCode)).toEqual([
      url,
      ...card.headers.flatMap(({ name, value }) => [name, value]),
    ]);
  });

  it("the card draws codes that are narrower than a terminal", () => {
    const [first = ""] = qrLines(SECRET);
    expect(first.match(/▀/g)?.length).toBeLessThan(78);
  });
});

describe("the address at home", () => {
  const home = { homeNetworks: ["192.168.1.0/24"], sshAddress: "192.168.1.5", immichUpstream: "127.0.0.1:2283" };

  it("is the host's or Immich's own, as far as the settings have it", () => {
    expect(homeUrl({ ...home, homeNetworks: [] })).toBeUndefined();
    expect(homeUrl(home)).toBe("http://192.168.1.5:2283");
    expect(homeUrl({ ...home, immichUpstream: "192.168.1.7:3001" })).toBe("http://192.168.1.7:3001");
    expect(homeUrl({ ...home, immichUpstream: "172.18.0.2:2283" })).toBe("http://192.168.1.5:2283");
    const ipv6 = { ...home, homeNetworks: ["fd00:1::/64"], sshAddress: "fd00:1::5" };
    expect(homeUrl(ipv6)).toBe("http://[fd00:1::5]:2283");
    for (const sshAddress of ["203.0.113.7", "home.example.com"]) {
      expect(homeUrl({ ...home, sshAddress })).toBe("http://<address of the host at home>:2283");
    }
  });

  it("the card has the address at home with the way to switch, in the terminal and on the page", () => {
    const carded = cardOf("annas-phone", url, output, { deployedVersion: 1 }, home, now);
    const text = cardText(carded, false);
    expect(text).toContain("Address at home\n   http://192.168.1.5:2283\n");
    expect(text.replace(/\s+/g, " ")).toContain("Networking, Automatic URL switching");
    expect(cardPage(carded)).toContain("<code>http://192.168.1.5:2283</code>");
    const warning = "The app sends its headers there, too";
    expect(text.replace(/\s+/g, " ")).toContain(warning);
    expect(cardPage(carded)).toContain(warning);
    expect(cardText(card, false) + cardPage(card)).not.toContain("ddress at home");
  });
});

describe("the dates on the card", () => {
  it("the card says until when the secret before a rotation works", () => {
    const rotation = { secretVersion: 2, previousSecretExpiresAt: "2026-12-01T10:00:00Z" };
    const secrets = { rotation, deployedVersion: 2 };
    expect(deadlines(cardOf("frame", url, output, secrets, undefined, now), now)).toEqual([
      "The token ends on 2027-11-24.",
      "The secret before this one works until 2026-12-01 10:00 UTC: change the headers before that.",
    ]);
    const later = new Date("2026-12-02T00:00:00Z");
    expect(deadlines(cardOf("frame", url, output, secrets, undefined, later), later)).toHaveLength(1);
    const undeployed = { rotation, deployedVersion: 1 };
    expect(deadlines(cardOf("frame", url, output, undeployed, undefined, now), now)).toHaveLength(1);
  });

  it("the card says what to do once the token has expired, and that one never does", () => {
    expect(deadlines({ ...card, expiresAt: "never" })).toEqual(["The token never ends."]);
    expect(deadlines(card, new Date("2027-11-25T00:00:00Z"))[0]).toMatch(
      /^The token ended on 2027-11-24\. Run pulumi up/,
    );
  });
});
