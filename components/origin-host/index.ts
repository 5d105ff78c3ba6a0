export { HostAccess, type HostAccessArgs } from "./access.ts";
export { HostCertificates, type HostCertificatesArgs } from "./certificates.ts";
export { HostFirewall, type HostFirewallArgs } from "./firewall.ts";
export { HostNginx, type HostNginxArgs } from "./nginx.ts";
export type { HostConnection } from "./host-step.ts";
