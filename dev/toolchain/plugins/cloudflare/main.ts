// Stands in for the official plugin `cloudflare`, for the resource types that this project uses.
import { servePlugin } from "../sdk/serve.ts";
import { getIpRanges } from "./ip-ranges.ts";
import { getOriginPullsCertificate, getOriginPullsHostnameCertificate } from "./origin-pull-lookups.ts";
import { checkConfig, config, configure } from "./provider.ts";
import { resources } from "./resources/index.ts";

await servePlugin({
  name: "cloudflare",
  version: "6.22.1",
  config,
  checkConfig,
  configure: (values) => configure(values),
  resources,
  functions: {
    "cloudflare:index/getAuthenticatedOriginPullsCertificate:getAuthenticatedOriginPullsCertificate":
      getOriginPullsCertificate,
    "cloudflare:index/getAuthenticatedOriginPullsHostnameCertificate:getAuthenticatedOriginPullsHostnameCertificate":
      getOriginPullsHostnameCertificate,
    "cloudflare:index/getIpRanges:getIpRanges": getIpRanges,
  },
});
