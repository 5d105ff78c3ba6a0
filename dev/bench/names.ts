/** The benches, in the order in which they run. */
export const BENCHES = [
  "packages",
  "firewall",
  "nginx",
  "preview",
  "ssh",
  "device",
  "site",
  "forms",
  "growth",
  "released",
] as const;
export type Bench = (typeof BENCHES)[number];
