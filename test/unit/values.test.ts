// The settings and the agent on the host check the same kinds of values, each in its own language. A value that the
// settings accept and the host refuses would end an `up` halfway.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { homeNetworkProblem, isHostname, parseEndpoint, rangeProblem } from "../../settings/network.ts";
import { networkProblem, openingProblem } from "../../settings/openings.ts";
import { settingsSchema } from "../../settings/schema.ts";
import { PYTHON } from "../support/python.ts";

const host = join(import.meta.dirname, "../../host");

type Kind = "hostname" | "endpoint" | "range4" | "range6" | "home" | "network" | "opening" | "port";
type Verdicts = Readonly<Record<"accepted" | "refused", readonly unknown[]>>;

/** The table that the agent's tests run as well (host/tests/test_values.py). */
const TABLE = JSON.parse(readFileSync(join(host, "tests/values.json"), "utf8")) as Readonly<Record<Kind, Verdicts>>;

const range = (isIpv6: boolean) => (value: string) =>
  rangeProblem(value) === undefined && value.includes(":") === isIpv6;

/** Whether the settings accept a value. */
const JUDGES: Readonly<Record<Kind, (value: string) => boolean>> = {
  hostname: (value) => isHostname(value, 2),
  endpoint: (value) => parseEndpoint(value) !== undefined,
  range4: range(false),
  range6: range(true),
  home: (value) => homeNetworkProblem(value) === undefined,
  network: (value) => networkProblem(value) === undefined,
  opening: (value) => openingProblem(value) === undefined,
  port: (value) => settingsSchema.shape.sshPort.safeParse(value).success,
};

const kinds = Object.keys(JUDGES) as Kind[];

describe.each(kinds)("%s", (kind) => {
  it.each(TABLE[kind].accepted)(`settings: a value of the kind ${kind} is accepted: %j`, (value) => {
    expect(JUDGES[kind](value as string)).toBe(true);
  });

  it.each(TABLE[kind].refused)(`settings: a value of the kind ${kind} is refused: %j`, (value) => {
    expect(JUDGES[kind](value as string)).toBe(false);
  });
});

/** Characters that mean something in a value, or look as if they did. */
const character = fc.constantFrom(..."0123456789abcdefxXABF.:/-_[]% \n٣");

/** A text near the border: one of the table's or of these, changed at no, one or two places. */
function near(kind: Kind, others: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const { accepted, refused } = TABLE[kind];
  const known = fc.constantFrom(...[...accepted, ...refused].map(String));
  const change = fc.record({
    at: fc.nat({ max: 300 }),
    remove: fc.nat({ max: 2 }),
    insert: fc.array(character, { maxLength: 2 }),
  });
  return fc.tuple(fc.oneof(known, others, others), fc.array(change, { maxLength: 2 })).map(([text, changes]) =>
    changes.reduce((sum, { at, remove, insert }) => {
      const start = at % (sum.length + 1);
      return sum.slice(0, start) + insert.join("") + sum.slice(start + remove);
    }, text),
  );
}

const ports = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer({ min: 65530, max: 65540 }), fc.nat());

const ipv4 = (number: number) =>
  [24, 16, 8, 0].map((shift) => (Math.floor(number / 2 ** shift) & 255).toString()).join(".");

/** The range of a prefix around an address, without a bit behind the prefix. */
const ranges4 = fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 32 })).map(([address, prefix]) => {
  const size = 2 ** (32 - prefix);
  return `${ipv4(Math.floor(address / size) * size)}/${prefix.toString()}`;
});

/** The blocks that are not on the internet, and their neighbours. */
const blocks4 = fc
  .tuple(
    fc.constantFrom(...TABLE.range4.refused.map(String).filter((text) => /^(\d+\.){3}\d+\/\d+$/.test(text))),
    fc.integer({ min: -1, max: 1 }),
  )
  .map(([cidr, step]) => {
    const [address = "", prefix = ""] = cidr.split("/");
    const number = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
    return `${ipv4(number + step * 2 ** (32 - Number(prefix)))}/${prefix}`;
  });

const ranges6 = fc
  .tuple(
    fc.constantFrom("2001", "2400", "2606", "3fff", "2002", "64"),
    fc.array(fc.constantFrom("0", "db8", "4700", "ff9b", "1ff", "200"), { maxLength: 6 }),
    fc.nat({ max: 128 }),
  )
  .map(([first, rest, prefix]) => `${[first, ...rest].join(":")}::/${prefix.toString()}`);

/** Networks in the blocks of home networks, and beside them. */
const homes = fc
  .tuple(
    fc.constantFrom(
      [10 * 2 ** 24, 8],
      [172 * 2 ** 24 + 16 * 2 ** 16, 12],
      [192 * 2 ** 24 + 168 * 2 ** 16, 16],
      [100 * 2 ** 24 + 64 * 2 ** 16, 10],
    ),
    fc.integer({ min: -1, max: 2 ** 12 }),
    fc.nat({ max: 24 }),
  )
  .map(([[start = 0, prefix = 0], step, more]) => {
    const longer = Math.min(32, prefix + more);
    const size = 2 ** (32 - longer);
    return `${ipv4(start + (step % (2 ** (longer - prefix) + 1)) * size)}/${longer.toString()}`;
  });

const around = (address: fc.Arbitrary<string>, longest: number) =>
  fc.tuple(address, fc.nat({ max: longest + 2 })).map(([text, prefix]) => `${text}/${prefix.toString()}`);

const VALUES: Readonly<Record<Kind, fc.Arbitrary<unknown>>> = {
  hostname: near("hostname", fc.domain()),
  endpoint: near(
    "endpoint",
    fc
      .tuple(
        fc.oneof(
          fc.domain(),
          fc.ipV4(),
          fc.ipV4Extended(),
          fc.ipV6().map((address) => `[${address}]`),
        ),
        ports,
      )
      .map(([address, port]) => `${address}:${port.toString()}`),
  ),
  range4: near("range4", fc.oneof(ranges4, blocks4, around(fc.ipV4(), 32))),
  range6: near("range6", fc.oneof(ranges6, ranges6, around(fc.ipV6(), 128))),
  home: near("home", fc.oneof(homes, homes, around(fc.ipV4(), 32))),
  network: near("network", fc.oneof(ranges4, ranges6, fc.ipV4())),
  opening: near(
    "opening",
    fc
      .tuple(
        fc.oneof(
          fc.tuple(ports.map(String), fc.constantFrom("", "/tcp", "/udp")).map((parts) => parts.join("")),
          fc.constantFrom("ah", "esp", "gre", "ipv6", "vrrp", "ospf"),
        ),
        fc.oneof(ranges4, ranges6),
      )
      .map(([what, network]) => `${what} from ${network}`),
  ),
  port: fc.oneof(ports, ports.map(String), fc.constantFrom(null, true, 22.5, 1e30)),
};

/** How many values of each kind a run writes; VALUES=40000 before a change of one of the checks takes half a minute. */
const COUNT = Number(process.env["VALUES"] ?? 200);

it("settings and host agree on values near the border", { timeout: 30_000 + 10 * COUNT }, () => {
  const seed = Date.now();
  const values = kinds.flatMap((kind) =>
    fc.sample(VALUES[kind], { numRuns: COUNT, seed }).map((value) => [kind, value] as const),
  );
  const said = execFileSync(PYTHON, ["-B", "-m", "tests.values"], {
    cwd: host,
    input: JSON.stringify(values),
    maxBuffer: 100_000_000,
  });
  const verdicts = JSON.parse(said.toString()) as boolean[];
  expect(verdicts).toHaveLength(kinds.length * COUNT);
  const judged = values.map(([kind, value], place) => ({
    kind,
    value,
    settings: JUDGES[kind](value as string),
    host: verdicts[place],
  }));
  // The comparison means something only if some values are accepted and some refused.
  for (const kind of kinds) {
    const taken = judged.filter((one) => one.kind === kind && one.settings).length;
    expect(taken, `${kind}, seed ${seed.toString()}`).toBeGreaterThan(COUNT / 20);
    expect(taken, `${kind}, seed ${seed.toString()}`).toBeLessThan((COUNT * 19) / 20);
  }
  expect(judged.filter((one) => one.settings !== one.host)).toEqual([]);
});
