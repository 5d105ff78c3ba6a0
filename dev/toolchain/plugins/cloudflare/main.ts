// Stands in for the official plugin `cloudflare`, for the resource types that this project uses.
import { servePlugin } from "../sdk/serve.ts";
import { getIpRanges } from "./ip-ranges.ts";
import { getOriginPullsCertificate, getOriginPullsHostnameCertificate } from "./origin-pull-lookups.ts";
import { checkConfig, config, configure } from "./provider.ts";
import { accessApplication } from "./resources/access-application.ts";
import { accessIdentityProvider } from "./resources/access-identity-provider.ts";
import { accessPolicy } from "./resources/access-policy.ts";
import { accessServiceToken } from "./resources/access-service-token.ts";
import { dnsRecord } from "./resources/dns-record.ts";
import { originCaCertificate } from "./resources/origin-ca-certificate.ts";
import * as pulls from "./resources/origin-pulls.ts";
import { zoneSetting } from "./resources/zone-setting.ts";

await servePlugin({
  name: "cloudflare",
  version: "6.22.1",
  config,
  checkConfig,
  configure: (values) => configure(values),
  resources: {
    "cloudflare:index/authenticatedOriginPulls:AuthenticatedOriginPulls": pulls.originPulls,
    "cloudflare:index/authenticatedOriginPullsCertificate:AuthenticatedOriginPullsCertificate":
      pulls.originPullsCertificate,
    "cloudflare:index/authenticatedOriginPullsHostnameCertificate:AuthenticatedOriginPullsHostnameCertificate":
      pulls.originPullsHostnameCertificate,
    "cloudflare:index/authenticatedOriginPullsSettings:AuthenticatedOriginPullsSettings": pulls.originPullsSettings,
    "cloudflare:index/dnsRecord:DnsRecord": dnsRecord,
    "cloudflare:index/originCaCertificate:OriginCaCertificate": originCaCertificate,
    "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication": accessApplication,
    "cloudflare:index/zeroTrustAccessIdentityProvider:ZeroTrustAccessIdentityProvider": accessIdentityProvider,
    "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy": accessPolicy,
    "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken": accessServiceToken,
    "cloudflare:index/zoneSetting:ZoneSetting": zoneSetting,
  },
  functions: {
    "cloudflare:index/getAuthenticatedOriginPullsCertificate:getAuthenticatedOriginPullsCertificate":
      getOriginPullsCertificate,
    "cloudflare:index/getAuthenticatedOriginPullsHostnameCertificate:getAuthenticatedOriginPullsHostnameCertificate":
      getOriginPullsHostnameCertificate,
    "cloudflare:index/getIpRanges:getIpRanges": getIpRanges,
  },
});
