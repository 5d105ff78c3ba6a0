import type { DeviceHeaders } from "../../components/site-check/answers.ts";
import type { Probe } from "./probes.ts";

/** The outputs of the dev stack that a person needs. */
export interface DevOutputs {
  url: string;
  devices: Record<string, DeviceHeaders>;
  certificateExpiry: { origin: string };
  tokenExpiry: Record<string, string>;
}

export interface SummaryArgs {
  outputs: DevOutputs;
  probes: readonly Probe[];
  /** Where a browser on this machine finds the site. */
  browserUrl: string;
  /** Where the sandbox shows its state and the PINs that it would have mailed. */
  statusUrl: string;
  /** Certificate of the CA that signed the edge's certificates. */
  publicCaPath: string;
}

/** The text that ends `npm start`. It shows the devices' secrets on purpose. */
export function summary({ outputs, probes, browserUrl, statusUrl, publicCaPath }: SummaryArgs): string {
  const devices = Object.entries(outputs.devices).flatMap(([device, headers]) => [
    `  ${device}, until ${day(outputs.tokenExpiry[device])}`,
    `    CF-Access-Client-Id: ${headers.clientId}`,
    `    CF-Access-Client-Secret: ${headers.clientSecret}`,
  ]);
  const width = Math.max(...probes.map(({ what }) => what.length));
  return [
    "",
    `The site is ${outputs.url}, in the sandbox. Its certificate ends ${day(outputs.certificateExpiry.origin)}.`,
    "",
    `In a browser on this machine: ${browserUrl}`,
    `  The sandbox has its own CA, so the browser warns; accept it or import ${publicCaPath}.`,
    `  Log in as anna@example.com. The PIN is not mailed but shown on ${statusUrl}`,
    "",
    "In the Immich app (Settings, Advanced, Custom proxy headers), for each device:",
    ...devices,
    "",
    "Probes:",
    ...probes.map(({ what, ok, answer }) => `  ${ok ? "ok   " : "WRONG"} ${what.padEnd(width)}  ${answer}`),
    "",
  ].join("\n");
}

const day = (time: string | undefined) => time?.slice(0, 10) ?? "unknown";
