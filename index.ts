import "./stack/plain-stack-traces.ts";
import { ZoneTls } from "./components/zone-tls.ts";
import { loadSettings } from "./settings/index.ts";
import { declareHosts } from "./stack/host.ts";
import { whenOnline } from "./stack/site-check.ts";
import { stackOutputs } from "./stack/outputs.ts";
import { declareNotifications } from "./stack/notifications.ts";
import { requirePossible } from "./stack/requirements.ts";
import { stackContext } from "./stack/context.ts";
import { declareSites } from "./stack/site-kinds.ts";
import { Stages } from "./stack/stages.ts";

// The order is the safety. A stage is made after all earlier ones, so nothing answers on the internet before it is
// protected; a destroy goes the other way round.

const settings = loadSettings();
const { zoneId, minTlsVersion, alwaysUseHttps, sslAutomaticMode } = settings;
const context = stackContext(settings);
await requirePossible(context);

// 1. The firewall lets only Cloudflare reach the sites' port. Meanwhile the certificates are issued.
const sites = declareSites(context);
const hosts = declareHosts(context, sites);
const stages = new Stages(sites, hosts);

// 2. Each host in turn gets the certificates.
const ready = stages.forHostsInTurn(hosts, (host, after) => host.installCertificates(sites, after));

// 3. Authenticated origin pulls: Cloudflare starts to present its client certificates.
const pulled = stages.forSites(sites, (site, after) => site.activateOriginPulls(ready, after));

// 4. Access: the login for people, the tokens for devices. Before nginx, because a name can lead to the host already.
const login = stages.forSite(pulled[0], (site, after) => site.declareLogin(after));
const guarded = stages.forSites(pulled, (site, after) => site.protect(login, after));

// 5. nginx serves the sites. On the way down each site leaves the host while its Access application is still there.
const places = stages.forSitesOnHosts(guarded, ready, (site, host, after) => host.prepareRemoval(site, after));
stages.forHosts(ready, (host, after) => host.prepareReturn(context, after));
const serving = stages.forHosts(ready, (host, after) => host.serve(places, context, after));

// 6. Full (strict).
const tls = { zoneId, minTlsVersion, alwaysUseHttps, sslAutomaticMode };
stages.forZone((after) => new ZoneTls("zone-tls", tls, { ...context.cloudflare, ...after }));

// 7. An origin rule for each site, if nginx does not serve on 443. Then nobody comes to a former port any more.
const led = stages.forSites(guarded, (site, after) => site.leadToPort(after));
stages.forHosts(ready, (host, after) => host.closeFormerPort(led, after));

// 8. DNS, last: from here on the names lead to the sites.
const published = stages.forSites(guarded, (site, after) => site.publish(serving, after));

// Cloudflare's emails about what ends, if anybody wants them. The sites work without them, so nothing waits for them.
stages.afterAll((after) => declareNotifications(context, guarded[0], after));

// 9. Each site answers through Cloudflare, or the `up` says which part is to blame.
const online = whenOnline(published, settings);

export default stackOutputs(guarded, online);
