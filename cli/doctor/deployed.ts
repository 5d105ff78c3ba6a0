import type { SettingsValues } from "../../settings/schema.ts";
import { sitesOf } from "../../settings/topology.ts";
import type { Outputs } from "../lib/outputs.ts";
import { type Check, type Finding, failed, passed } from "./finding.ts";

const STACK: Check = {
  id: "stack",
  place: "workstation",
  title: "Stack",
  why: "The deployment differs from the settings.",
  fix: "pulumi up",
};

/** Whether the last `up` deployed the present settings, judging by the outputs. */
export function stackFinding(settings: SettingsValues, outputs: Outputs | undefined): Finding {
  if (!outputs) return failed(STACK, "has no outputs: no `up` has gone through yet");
  const { hostname, publicShareHostname, moreSites } = settings;
  const url = `https://${hostname}`;
  if (outputs.url !== url) return failed(STACK, `serves ${outputs.url}, and the settings say ${url}`);
  const shareUrl = publicShareHostname === "" ? undefined : `https://${publicShareHostname}`;
  if (outputs.publicShareUrl !== shareUrl) {
    const [is, wanted] = [outputs.publicShareUrl, shareUrl].map((one) => one ?? "no public shares");
    return failed(STACK, `serves ${String(is)}, and the settings say ${String(wanted)}`);
  }
  const further = outputs.moreSites ?? {};
  const gone = Object.keys(further).filter((name) => !moreSites.some((site) => site.hostname === name));
  if (gone.length > 0) return failed(STACK, `still serves ${gone.join(", ")}`);
  const missing = moreSites.filter((site) => !(site.hostname in further)).map((site) => site.hostname);
  if (missing.length > 0) return failed(STACK, `does not serve ${missing.join(", ")} yet`);

  const sites = sitesOf(settings).map((site) => {
    const present = Object.keys((site.hostname === hostname ? outputs : further[site.hostname])?.devices ?? {});
    const named = (device: string) => (moreSites.length === 0 ? device : `${device} (${site.hostname})`);
    const added = site.devices.filter((device) => !present.includes(device)).map(named);
    const removed = present.filter((device) => !site.devices.includes(device)).map(named);
    const count = present.length === 1 ? "a device" : `${present.length.toString()} devices`;
    return { added, removed, says: `https://${site.hostname} with ${count}` };
  });
  const added = sites.flatMap((site) => site.added);
  const removed = sites.flatMap((site) => site.removed);
  if (added.length > 0) return failed(STACK, `has no token yet for ${added.join(", ")}`);
  if (removed.length > 0) return failed(STACK, `still has the token of ${removed.join(", ")}`);
  return passed(STACK, sites.map(({ says }) => says).join(", "));
}
