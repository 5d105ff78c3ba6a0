export { FormerPort, type FormerPortArgs, OtherPort } from "./former-port.ts";
export { HostCertificates, type HostCertificatesArgs } from "./certificates.ts";
export { HostFirewall, type HostFirewallArgs } from "./firewall.ts";
export { HostNginx, type HostNginxArgs, type ServedSite } from "./nginx.ts";
export { SiteRemoval, type SiteRemovalArgs } from "./site-removal.ts";
export type { HostConnection } from "./host-step.ts";
