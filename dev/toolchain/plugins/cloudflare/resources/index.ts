// The resource types of the plugin, by their tokens.
import type { Resource } from "../../sdk/plugin.ts";
import type { Client } from "../client.ts";
import { accessApplication } from "./access-application.ts";
import { accessIdentityProvider } from "./access-identity-provider.ts";
import { accessPolicy } from "./access-policy.ts";
import { accessServiceToken } from "./access-service-token.ts";
import { dnsRecord } from "./dns-record.ts";
import { notificationPolicy } from "./notification-policy.ts";
import { originCaCertificate } from "./origin-ca-certificate.ts";
import * as pulls from "./origin-pulls.ts";
import { zoneSetting } from "./zone-setting.ts";

/** All of them. */
export const resources: Readonly<Record<string, Resource<Client>>> = {
  "cloudflare:index/authenticatedOriginPulls:AuthenticatedOriginPulls": pulls.originPulls,
  "cloudflare:index/authenticatedOriginPullsCertificate:AuthenticatedOriginPullsCertificate":
    pulls.originPullsCertificate,
  "cloudflare:index/authenticatedOriginPullsHostnameCertificate:AuthenticatedOriginPullsHostnameCertificate":
    pulls.originPullsHostnameCertificate,
  "cloudflare:index/authenticatedOriginPullsSettings:AuthenticatedOriginPullsSettings": pulls.originPullsSettings,
  "cloudflare:index/dnsRecord:DnsRecord": dnsRecord,
  "cloudflare:index/notificationPolicy:NotificationPolicy": notificationPolicy,
  "cloudflare:index/originCaCertificate:OriginCaCertificate": originCaCertificate,
  "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication": accessApplication,
  "cloudflare:index/zeroTrustAccessIdentityProvider:ZeroTrustAccessIdentityProvider": accessIdentityProvider,
  "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy": accessPolicy,
  "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken": accessServiceToken,
  "cloudflare:index/zoneSetting:ZoneSetting": zoneSetting,
};
