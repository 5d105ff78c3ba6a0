// The block that the project ufw-docker has people put into /etc/ufw/after.rules.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { confirm, listen, ONLY_SSH, PAYLOAD, reach, SSH_AND_HTTPS, undone } from "./firewall-support.ts";

const block = (docker: string, prefix: string, networks: string) => `
# BEGIN UFW AND DOCKER
*filter
:${prefix}-user-forward - [0:0]
:${prefix}-docker-logging-deny - [0:0]
:${docker} - [0:0]
-A ${docker} -j ${prefix}-user-forward
-A ${docker} -j RETURN -s ${networks}
-A ${docker} -p udp -m udp --sport 53 --dport 1024:65535 -j RETURN
-A ${docker} -j ${prefix}-docker-logging-deny -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d ${networks}
-A ${docker} -j RETURN
-A ${prefix}-docker-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW DOCKER BLOCK] "
-A ${prefix}-docker-logging-deny -j DROP
COMMIT
# END UFW AND DOCKER
`;

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  await listen(host);
  await host.inside("cat >>/etc/ufw/after.rules", { input: block("DOCKER-USER", "ufw", "10.0.0.0/8") });
  await host.inside("cat >>/etc/ufw/after6.rules", { input: block("DOCKER-USER", "ufw6", "fd00::/8") });
  expect((await host.inside("ufw allow 22/tcp && ufw --force enable && ufw disable")).code).toBe(0);
  expect((await host.inside("iptables -S DOCKER-USER")).stdout).toContain("-j ufw-user-forward");
});
afterAll(() => host.close());

const stranger = () => reach((command) => host.fromStranger(command));

test("with ufw disabled, whose chains it holds, the step starts ufw; the undo and another start work as well", async () => {
  const before = (await host.inside("iptables -S DOCKER-USER; iptables -S ufw-docker-logging-deny")).stdout;
  expect((await host.step("firewall", { ...PAYLOAD, confirmSeconds: 4 })).code).toBe(0);
  await undone(host);
  expect((await host.inside("iptables -S DOCKER-USER; iptables -S ufw-docker-logging-deny")).stdout).toBe(before);
  expect((await host.step("firewall", PAYLOAD)).code).toBe(0);
  expect(await confirm(host, true)).toMatchObject({ code: 0 });
  expect(await stranger()).toEqual(ONLY_SSH);
  expect(await reach((command) => host.fromEdge(command))).toEqual(SSH_AND_HTTPS);
  const rules = await host.inside(
    "iptables -S DOCKER-USER; ip6tables -S DOCKER-USER; iptables -S ufw-docker-logging-deny",
  );
  expect(rules.stdout.match(/-j ufw6?-user-forward/g)).toHaveLength(2);
  expect(rules.stdout).toContain("UFW DOCKER BLOCK");
});

test("a rule that leads into the chain by which ufw tells that it runs is named before anything changes", async () => {
  await host.inside("ufw disable; iptables -N mine; iptables -N ufw-user-input; iptables -A mine -j ufw-user-input");
  const { code, said } = await host.step("firewall", PAYLOAD);
  expect(code).toBe(1);
  expect(said).toMatch(
    /leads into ufw's own chain ufw-user-input, .* `iptables -D mine -j ufw-user-input` .*; nothing has been changed\n$/,
  );
  await host.inside("iptables -D mine -j ufw-user-input");
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0 });
});
