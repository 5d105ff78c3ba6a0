import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Origin, SITE } from "./support/origin.ts";
import { checkedPayload, startCheckedOrigin, type Team, type TokenChange } from "./support/team.ts";
import { DOWN, IN, openWebsocketTo, OUT, visitOrigin } from "./support/visits.ts";

// The service on the host that nginx asks about tokens: who reaches it, what it is allowed, and what a restart costs.

const UNIT = "/etc/systemd/system/immich-access-verifier.service";

let origin: Origin;
let team: Team;

beforeAll(async () => {
  ({ origin, team } = await startCheckedOrigin());
});
afterAll(async () => {
  team.close();
  await origin.close();
});

const visit = (token?: string) => visitOrigin(origin, token);
const visitWith = async (change?: TokenChange) => visit(await team.token(change));
const mainPid = () => origin.run("systemctl show -p MainPID --value immich-access-verifier");

/** Runs work while visitors come all the time; the statuses that those with a token got, and those without a good one. */
async function whileVisited(work: () => Promise<unknown>): Promise<[good: number[], bad: number[]]> {
  let over = false;
  const come = async (change: TokenChange) => {
    const seen = new Set<number>();
    while (!over) seen.add((await visitWith(change)).status);
    return [...seen];
  };
  const visitors = Promise.all([come({}), come({}), come({ shift: -3720 }), come({ shift: -3720 })]);
  await work();
  over = true;
  const [one, other, ...bad] = await visitors;
  return [[...new Set([...one, ...other])], [...new Set(bad.flat())]];
}

test("the verifier is a user of its own, whom only nginx reaches", async () => {
  const user = await origin.run(`stat -c %u /proc/${await mainPid()}`);
  expect(Number(user)).toBeGreaterThan(60_000);
  expect(await origin.run(`grep CapBnd /proc/${await mainPid()}/status`)).toMatch(/\t0+$/);
  const ask = "curl -s --unix-socket /run/immich-access-verifier.sock -o /dev/null -w '%{http_code}' http://x/";
  expect(await origin.run(`runuser -u www-data -- ${ask}`)).toBe("200");
  expect((await origin.host.inside(`runuser -u deploy -- ${ask}`)).stdout).toBe("000");
});

test("the verifier calculates by OpenSSL within the limits of its unit", async () => {
  const all = await origin.run(`sed '1,/^.Service.$/d' ${UNIT} | grep -E '^[A-Za-z]+='`);
  const limits = all.split("\n").filter((line) => !/^(ExecStart|Restart|RestartSec|RuntimeDirectory)=/.test(line));
  expect(limits).toContain("MemoryDenyWriteExecute=yes");
  const program =
    "import sys; sys.path.insert(0, '/usr/local/lib/immich-access'); from agent.access.powers import power; " +
    "print(power(65537, 2**2047 + 1).__name__)";
  const properties = limits.map((line) => `-p '${line}'`).join(" ");
  const run = `systemd-run --pipe --wait --quiet ${properties} /usr/bin/python3 -I -B -c "${program}"`;
  expect(await origin.run(run)).toBe("by_openssl");
});

test("a killed verifier is back at once, and a request waits for its answer meanwhile", async () => {
  const before = await mainPid();
  await origin.run("systemctl kill --signal=KILL immich-access-verifier");
  expect(await Promise.all([visitWith(), visit()])).toEqual([IN, { ...OUT, reached: expect.any(Boolean) as boolean }]);
  expect(await mainPid()).not.toBe(before);
});

test("a restart of the verifier costs no request its answer, and admits nobody", async () => {
  const restarts = async () => {
    for (let restart = 0; restart < 3; restart += 1) {
      await sleep(300);
      await origin.run("systemctl restart immich-access-verifier");
    }
    await sleep(300);
  };
  expect(await whileVisited(restarts)).toEqual([[200], [403]]);
});

test("a unit of a former version is replaced with a restart of the verifier alone, which no visitor notices", async () => {
  const socket = () =>
    origin.run("systemctl show -p ActiveEnterTimestampMonotonic --value immich-access-verifier.socket");
  const [since, pid] = [await socket(), await mainPid()];
  await origin.run(`echo '# Of a former version' >>${UNIT}`);
  expect(await whileVisited(() => origin.apply("nginx", checkedPayload))).toEqual([[200], [403]]);
  expect(await origin.run(`tail -n 1 ${UNIT}`)).not.toContain("former");
  expect(await socket()).toBe(since);
  expect(await mainPid()).not.toBe(pid);
  expect(await origin.run("systemctl show -p NeedDaemonReload --value immich-access-verifier")).toBe("no");
});

test("nobody outside asks the verifier, with a good token or without one", async () => {
  const token = await team.token();
  for (const path of ["/.immich-access/", "/.immich-access/token", "/.immich-access/token-again"]) {
    for (const headers of [{}, { "cf-access-jwt-assertion": token }])
      expect((await origin.get(path, { headers })).status, path).toBe(404);
  }
});

test("nginx keeps its connections to the verifier", async () => {
  // Enough for each of nginx's workers to have its own
  const visits = async () => {
    for (let visit = 0; visit < 20; visit += 1) expect(await visitWith()).toEqual(IN);
    return origin.run("ss -Hx state established src /run/immich-access-verifier.sock | sort");
  };
  const connections = await visits();
  expect(connections).not.toBe("");
  expect(await visits()).toBe(connections);
});

test("nginx asks the verifier once in five seconds about a token, and without the verifier nobody else is admitted", async () => {
  const token = await team.token();
  expect(await visit(token)).toEqual(IN);
  const since = Date.now();
  await origin.run("systemctl stop immich-access-verifier.socket immich-access-verifier.service");
  expect(await visit(token)).toEqual(IN);
  // A websocket lasts too long to hold on to what is known about its token.
  await expect(openWebsocketTo(origin, { "cf-access-jwt-assertion": token })).rejects.toThrow("500");
  expect(await visitWith()).toEqual(DOWN);
  await expect.poll(() => visit(token), { interval: 500 }).toEqual(DOWN);
  expect(Date.now() - since).toBeGreaterThan(4000);
  // nginx notes the missing socket with the whole request, keys of shared albums included, unless it is told not to.
  const headers = { "cf-access-jwt-assertion": token, referer: `https://${SITE}/share/KEY-1` };
  expect((await origin.get("/share/KEY-2?key=KEY-3", { headers })).status).toBe(500);
  const logs = () => origin.run("cat /var/log/nginx/*.log");
  await expect.poll(logs).toContain('"GET /share/*** HTTP/1.1" 500 ');
  expect(await logs()).not.toMatch(/KEY|verifier\.sock/);
  await origin.apply("nginx", checkedPayload);
  expect(await visitWith()).toEqual(IN);
});
