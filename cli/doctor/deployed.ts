import type { SettingsValues } from "../../settings/schema.ts";
import type { DeviceHeaders } from "./edge.ts";
import { type Check, type Finding, ill, well } from "./finding.ts";

/** The stack's outputs that the doctor needs. */
export interface Outputs {
  url: string;
  /** Absent without public shares. */
  publicShareUrl?: string;
  audience: string;
  devices: Readonly<Record<string, DeviceHeaders>>;
}

const STACK: Check = {
  id: "stack",
  place: "workstation",
  title: "Stack",
  why: "What is deployed is not what the settings say.",
  fix: "pulumi up",
};

/** Whether the last `up` went through with the settings as they are now, as far as the outputs tell. */
export function deployed(
  { hostname, publicShareHostname, devices }: SettingsValues,
  outputs: Outputs | undefined,
): Finding {
  if (!outputs) return ill(STACK, "has no outputs: no `up` has gone through yet");
  const url = `https://${hostname}`;
  if (outputs.url !== url) return ill(STACK, `serves ${outputs.url}, and the settings say ${url}`);
  const shareUrl = publicShareHostname === "" ? undefined : `https://${publicShareHostname}`;
  if (outputs.publicShareUrl !== shareUrl) {
    const [is, wanted] = [outputs.publicShareUrl, shareUrl].map((one) => one ?? "no public shares");
    return ill(STACK, `serves ${String(is)}, and the settings say ${String(wanted)}`);
  }
  const present = Object.keys(outputs.devices);
  const added = devices.filter((device) => !present.includes(device));
  const removed = present.filter((device) => !devices.includes(device));
  if (added.length > 0) return ill(STACK, `has no token yet for ${added.join(", ")}`);
  if (removed.length > 0) return ill(STACK, `still has the token of ${removed.join(", ")}`);
  return well(STACK, `${url} with ${present.length === 1 ? "a device" : `${present.length.toString()} devices`}`);
}
