/** The benches, in the order in which they run. */
export const BENCHES = ["firewall", "nginx", "preview", "ssh", "device", "site"] as const;
export type Bench = (typeof BENCHES)[number];
