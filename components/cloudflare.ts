// The resources of @pulumi/cloudflare that this program uses. Importing the whole package from an ES module reads all
// of its lazy properties and so loads its 776 modules, which took a second of each `pulumi` command.
export { AuthenticatedOriginPulls } from "@pulumi/cloudflare/authenticatedOriginPulls.js";
export { AuthenticatedOriginPullsCertificate } from "@pulumi/cloudflare/authenticatedOriginPullsCertificate.js";
export { AuthenticatedOriginPullsHostnameCertificate } from "@pulumi/cloudflare/authenticatedOriginPullsHostnameCertificate.js";
export { AuthenticatedOriginPullsSettings } from "@pulumi/cloudflare/authenticatedOriginPullsSettings.js";
export { DnsRecord } from "@pulumi/cloudflare/dnsRecord.js";
export { getAuthenticatedOriginPullsCertificate } from "@pulumi/cloudflare/getAuthenticatedOriginPullsCertificate.js";
export { getAuthenticatedOriginPullsHostnameCertificate } from "@pulumi/cloudflare/getAuthenticatedOriginPullsHostnameCertificate.js";
export { getIpRangesOutput } from "@pulumi/cloudflare/getIpRanges.js";
export { NotificationPolicy } from "@pulumi/cloudflare/notificationPolicy.js";
export { OriginCaCertificate } from "@pulumi/cloudflare/originCaCertificate.js";
export { Provider } from "@pulumi/cloudflare/provider.js";
export { ZeroTrustAccessApplication } from "@pulumi/cloudflare/zeroTrustAccessApplication.js";
export { ZeroTrustAccessIdentityProvider } from "@pulumi/cloudflare/zeroTrustAccessIdentityProvider.js";
export { ZeroTrustAccessPolicy } from "@pulumi/cloudflare/zeroTrustAccessPolicy.js";
export { ZeroTrustAccessServiceToken } from "@pulumi/cloudflare/zeroTrustAccessServiceToken.js";
export { ZoneSetting } from "@pulumi/cloudflare/zoneSetting.js";
