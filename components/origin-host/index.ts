export { HostCertificates, type HostCertificatesArgs, type SiteCertificates } from "./certificates.ts";
export { HostFirewall, type HostFirewallArgs, type ReachedSite } from "./firewall.ts";
export { HostNginx, type HostNginxArgs, type ServedSite } from "./nginx.ts";
export { HostSite, type HostSiteArgs } from "./site.ts";
export type { HostConnection } from "./host-step.ts";
