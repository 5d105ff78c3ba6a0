// What the program makes at Cloudflare for a site, in the program's order, without a host and without settings of the
// zone. The acceptance suite runs it through the engine.
import "../../../stack/plain-stack-traces.ts";
import { loadSettings } from "../../../settings/index.ts";
import { stackContext } from "../../../stack/context.ts";
import type { HostWithCertificates, ServingHost } from "../../../stack/site.ts";
import { declareSites } from "../../../stack/site-kinds.ts";
import { Stages } from "../../../stack/stages.ts";

const settings = loadSettings();
const [site] = declareSites(stackContext(settings));
const { originAddresses } = settings;

// A host that has all it needs, because there is none.
const host = { address: "none", resources: [], originAddresses } as unknown as HostWithCertificates & ServingHost;
const stages = new Stages([site], [host]);

const pulled = stages.forSite(site, (made, after) => made.activateOriginPulls([host], after));
const login = stages.forSite(pulled, (made, after) => made.declareLogin(after));
const guarded = stages.forSite(pulled, (made, after) => made.protect(login, after));
stages.forSite(guarded, (made, after) => made.publish([host], after));
