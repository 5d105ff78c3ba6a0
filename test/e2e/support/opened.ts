import type { SandboxApi } from "../../../dev/sandbox/api/client.ts";
import { SITE, type World } from "./world.ts";

/** Another nginx on the host, which asks nobody for a certificate. */
const NGINX = `
pid /run/opened.pid;
error_log /run/opened.log;
events {}
http {
  access_log off;
  server {
    listen [::]:8080 ipv6only=off;
    listen [::]:8443 ipv6only=off ssl;
    ssl_certificate /etc/immich-access/${SITE}/current/origin.pem;
    ssl_certificate_key /etc/immich-access/${SITE}/current/origin.key;
    location / { proxy_pass http://127.0.0.1:2283; }
  }
}`;

/** The rules, with the option that adds or deletes them: strangers get to that nginx on every port, and not to SSH. */
const RULES = `
case $1 in -I) nft delete table inet immich_access ;; -D) nft -f /etc/immich-access/guard.nft ;; esac
for tables in iptables ip6tables; do
  $tables -w "$1" INPUT -i wan0 -p tcp --dport 22 -j DROP
  $tables -w "$1" INPUT -i wan0 -p tcp -m multiport --dports 8080,8443 -j ACCEPT
  $tables -w -t nat "$1" PREROUTING -i wan0 -p tcp -m multiport --dports 80,2283 -j REDIRECT --to-ports 8080
  $tables -w -t nat "$1" PREROUTING -i wan0 -p tcp --dport 443 -j REDIRECT --to-ports 8443
done`;

/**
 * Breaks every promise at once: Immich is open to strangers through the edge and on every port of the host, and SSH is
 * blocked. `close` restores everything.
 */
export async function openEverything({ sandbox, api }: World): Promise<{ close(): Promise<void> }> {
  const onHost = async (script: string, option: string, input = "") => {
    const { code, stderr } = await sandbox.runOnHost(["sh", "-ec", script, "sh", option], { input });
    if (code !== 0) throw new Error(`the host cannot be opened or closed: ${stderr}`);
  };
  await onHost(`cat >/run/opened.conf; nginx -c /run/opened.conf; ${RULES}`, "-I", NGINX);
  const former = await withoutGuards(api);
  return {
    close: async () => {
      await api.alter(former);
      await onHost(`${RULES}; nginx -c /run/opened.conf -s stop; rm -f /run/opened.*`, "-D");
    },
  };
}

/** Takes Access away, and has the edge believe any host and speak without TLS. Returns what was there before. */
async function withoutGuards(api: SandboxApi) {
  const { access_apps, zones } = await api.state();
  const set = (value: string) => ({ value, modified_on: null });
  const open = { ssl: set("full"), always_use_https: set("off") };
  await api.alter({
    access_apps: [],
    zones: zones.map((zone) => ({ ...zone, settings: { ...zone.settings, ...open } })),
  });
  return { access_apps, zones };
}
