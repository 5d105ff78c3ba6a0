import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { LINE, ONLY_SSH, PAYLOAD, reach, strangerTries } from "./firewall-support.ts";

// The sandbox host reaches no mirror. So its own packages are packed up again, with their maintainer scripts, into a
// repository on its disk, before they are removed.
const PACK = `
set -e
mkdir -p /opt/repository && cd /opt/repository
for package in nginx nginx-common ufw; do
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
dpkg --purge --force-depends nginx-light libnginx-mod-http-echo nginx nginx-common ufw >/dev/null 2>&1
dpkg --configure -a
rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/* /etc/ufw /etc/nginx
: >/etc/apt/sources.list
systemctl daemon-reload
command -v nginx ufw || echo gone
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
  expect(answer.said).toMatch(/^immich-access: cannot install nginx ufw: apt-get .* to see why\n$/);
  expect((await host.inside("ls /run/systemd/system /usr/local/lib")).stdout).not.toMatch(/nginx|ufw|immich-access/);
});

test("nginx and ufw are installed, and no port is open at any moment", async () => {
  await host.inside("echo 'deb [trusted=yes] file:/opt/repository ./' >/etc/apt/sources.list");
  const stop = strangerTries(host, { shut: [80] });
  const answer = await host.step("firewall", PAYLOAD);
  expect(await stop()).toBe("");
  expect(answer).toMatchObject({ code: 0, said: LINE(1) });
  const { stdout } = await host.inside("systemctl is-active nginx ufw; systemctl is-enabled nginx ufw");
  expect(stdout).toBe("active\nactive\nenabled\nenabled\n");
  expect(await reach((command) => host.fromStranger(command))).toMatchObject({
    "22-v4": ONLY_SSH["22-v4"],
    "80-v4": ONLY_SSH["80-v4"],
    "80-v6": ONLY_SSH["80-v6"],
  });
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
});
