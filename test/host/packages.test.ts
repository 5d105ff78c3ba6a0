import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { LINE, ONLY_SSH, PAYLOAD, reach, strangerTries } from "./firewall-support.ts";

// The sandbox host reaches no mirror. So its own packages are packed up again, with their maintainer scripts, into a
// repository on its disk, before they are removed.
const PACK = `
set -e
mkdir -p /opt/repository && cd /opt/repository
for package in nginx nginx-common ufw nftables; do
  mkdir -p $package/DEBIAN
  dpkg -L $package | while read -r file; do
    if [ -L "$file" ] || [ ! -d "$file" ]; then echo "$file"; else mkdir -p "$package$file"; fi
  done | grep -vxE '/(lib|s?bin)' |
    tar -cf - -T - 2>/dev/null | tar -xf - -C $package
  for script in preinst postinst prerm postrm conffiles config templates triggers; do
    [ ! -e /var/lib/dpkg/info/$package.$script ] || cp /var/lib/dpkg/info/$package.$script $package/DEBIAN/$script
  done
  dpkg-query -s $package | sed '/^Status:/d; /^Conffiles:/,/^[^ C]/{/^Conffiles:/d; /^ /d}' >$package/DEBIAN/control
  dpkg-deb --root-owner-group -b $package $package.deb >/dev/null
  { cat $package/DEBIAN/control; echo "Filename: ./$package.deb"; stat -c 'Size: %s' $package.deb
    echo "SHA256: $(sha256sum <$package.deb | cut -d' ' -f1)"; echo; } >>Packages
  rm -r $package
done
dpkg --purge --force-depends nginx-light libnginx-mod-http-echo nginx nginx-common ufw nftables >/dev/null 2>&1
dpkg --configure -a
rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/* /etc/ufw /etc/nginx
: >/etc/apt/sources.list
systemctl daemon-reload
command -v nginx ufw nft || echo gone
`;

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  expect((await host.inside(PACK, { timeout: 240_000 })).stdout).toBe("gone\n");
});
afterAll(() => host.close());

test("packages that cannot be installed are reported in one line, and nothing else happens", async () => {
  const answer = await host.step("firewall", PAYLOAD);
  expect(answer).toMatchObject({ code: 1, answer: "" });
  expect(answer.said).toMatch(/^immich-access: cannot install nginx ufw nftables: apt-get .* to see why\n$/);
  expect((await host.inside("ls /run/systemd/system /usr/local/lib")).stdout).not.toMatch(/nginx|ufw|immich-access/);
});

const REPOSITORY = "echo 'deb [trusted=yes] file:/opt/repository ./' >/etc/apt/sources.list";

/** Installs a package of no content, which starts the unit of its name if it has one. */
async function install(name: string, fields = ""): Promise<void> {
  const control = `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\n${fields}Description: ${name}\n`;
  await host.inside(`mkdir -p /opt/${name}/DEBIAN && cat >/opt/${name}/DEBIAN/control`, { input: control });
  const { code, stderr } = await host.inside(`cd /opt && dpkg-deb -b ${name} >/dev/null && dpkg -i ${name}.deb`);
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

const installed = async () => (await host.inside("dpkg-query -W -f '${Package} ${db:Status-Status}\\n' | sort")).stdout;

/** The step, which must refuse the host in one line and leave its packages alone. */
async function refusal(): Promise<string> {
  const before = await installed();
  const answer = await host.step("firewall", PAYLOAD);
  expect(answer).toMatchObject({ code: 1, answer: "" });
  expect(answer.said).toMatch(/^immich-access: [^\n]+; nothing has been changed\n$/);
  expect(await installed()).toBe(before);
  return answer.said;
}

test("a package of the owner's is not removed to make room: its name and the way out are one line", async () => {
  await host.inside(REPOSITORY);
  await install("netfilter-persistent");
  await install("iptables-persistent", "Depends: netfilter-persistent\n");
  expect(await refusal()).toMatch(
    /apt-get would remove iptables-persistent and netfilter-persistent to install nginx and ufw and nftables; move its rules .* `apt-get remove iptables-persistent netfilter-persistent`; then run/,
  );
  await host.inside("dpkg --purge iptables-persistent netfilter-persistent");
  await install("webfront", "Conflicts: nginx\n");
  expect(await refusal()).toContain(
    "apt-get would remove webfront to install nginx and ufw and nftables; if you can do without, run `apt-get remove webfront` on",
  );
  await host.inside("dpkg --purge webfront");
});

test.each(["firewalld", "netfilter-persistent"])("another firewall, %s, is named", async (name) => {
  const unit =
    "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
  await host.inside(`cat >/etc/systemd/system/${name}.service && systemctl daemon-reload`, { input: unit });
  for (const verb of ["start", "enable"]) {
    await host.inside(`systemctl ${verb} ${name}`);
    expect(await refusal()).toContain(`${name}.service sets this host's firewall, and ufw would fight with it; move`);
    await host.inside(`systemctl disable --now ${name}`);
  }
  await host.inside(`rm /etc/systemd/system/${name}.service; systemctl daemon-reload`);
});

test("an nginx that is not the distribution's is named, with its file and port", async () => {
  await host.inside("mkdir -p /opt/nginx/sbin; cp /usr/bin/python3 /opt/nginx/sbin/nginx");
  await host.inside("systemd-run -q --unit other-nginx /opt/nginx/sbin/nginx -m http.server -d /run -b :: 8443");
  await host.inside("until ss -Hltn sport = 8443 | grep -q .; do sleep 0.1; done");
  expect(await refusal()).toContain("another nginx runs on this host (/opt/nginx/sbin/nginx, on port 8443), and");
  await host.inside("systemctl stop other-nginx");
});

test("nginx, ufw and nftables are installed, and no port is open at any moment", async () => {
  await host.inside(REPOSITORY);
  const stop = strangerTries(host, { shut: [80] });
  const answer = await host.step("firewall", PAYLOAD);
  expect(await stop()).toBe("");
  expect(answer).toMatchObject({ code: 0, said: LINE(1) });
  const { stdout } = await host.inside("systemctl is-active nginx ufw; systemctl is-enabled nginx ufw nftables");
  // The guard needs the program alone: what the owner's /etc/nftables.conf says stays the owner's choice.
  expect(stdout).toBe("active\nactive\nenabled\nenabled\ndisabled\n");
  expect(await reach((command) => host.fromStranger(command))).toMatchObject({
    "22-v4": ONLY_SSH["22-v4"],
    "80-v4": ONLY_SSH["80-v4"],
    "80-v6": ONLY_SSH["80-v6"],
  });
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
});

test("Debian's default site of an nginx that the step has installed takes no port, and comes back in the end", async () => {
  const site = async () => (await host.inside("ls -l /etc/nginx/sites-enabled; ss -Hltn sport = 80")).stdout;
  expect(await site()).not.toMatch(/default|:80/);
  expect((await host.step("firewall-remove", PAYLOAD)).code).toBe(0);
  expect(await site()).toMatch(/default -> \/etc\/nginx\/sites-available\/default\n.*:80/s);
  expect((await host.inside("ls /var/lib/immich-access")).code).not.toBe(0);
});
