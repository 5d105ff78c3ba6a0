import { CommandError } from "./command.ts";

/** A device of a site. Devices of different sites may have the same name. */
export interface SiteDevice {
  /** Host name of the site. */
  site: string;
  device: string;
}

/** The options `--device` and `--site`. */
export type DeviceOptions = Partial<SiteDevice>;

/**
 * Chooses the device by its name, and by its site if several sites have a device of this name.
 *
 * @param stack name of the stack, for messages
 * @param there the devices of all its sites
 * @throws CommandError that names the devices, or the sites to choose from
 */
export function chooseDevice<T extends SiteDevice>(
  stack: string,
  there: readonly T[],
  { site, device }: DeviceOptions,
): T {
  const fitting = there.filter((one) => one.device === device && (site === undefined || one.site === site));
  const [found, ...others] = fitting;
  if (found && others.length === 0) return found;
  if (found) {
    const sites = fitting.map((one) => one.site).join(" and ");
    throw new CommandError(`there is a device ${found.device} at ${sites}: add --site with one of them`);
  }
  const problem =
    device === undefined
      ? "--device is missing"
      : `there is no device ${device}${site === undefined ? "" : ` at ${site}`}`;
  throw new CommandError(`${problem}; the stack ${stack} has ${listDevices(there)}`);
}

/** Lists the devices, each with its site if there are several sites. */
function listDevices(there: readonly SiteDevice[]): string {
  const several = new Set(there.map(({ site }) => site)).size > 1;
  return there.map(({ site, device }) => (several ? `${device} (${site})` : device)).join(", ") || "none yet";
}

/** The options for the same device in another command. */
export const optionsOf = ({ site, device = "" }: DeviceOptions) =>
  `--device ${device}${site === undefined ? "" : ` --site ${site}`}`;
