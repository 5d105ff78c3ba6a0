import { CommandError } from "./command.ts";

/** A device of a site; devices of several sites may have the same name. */
export interface SiteDevice {
  /** Host name of the site. */
  site: string;
  device: string;
}

/** What the options `--device` and `--site` say. */
export type Wanted = Partial<SiteDevice>;

/**
 * The one device that is wanted. Without a site it is found wherever its name is, as long as that is one place.
 *
 * @param stack name of the stack, for messages
 * @param there the devices of all its sites
 * @throws CommandError that names the devices, or the sites to choose from
 */
export function chooseDevice<T extends SiteDevice>(stack: string, there: readonly T[], { site, device }: Wanted): T {
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

/** The devices, each with its site where there are several. */
function listDevices(there: readonly SiteDevice[]): string {
  const several = new Set(there.map(({ site }) => site)).size > 1;
  return there.map(({ site, device }) => (several ? `${device} (${site})` : device)).join(", ") || "none yet";
}

/** The options that name the same device again. */
export const optionsOf = ({ site, device = "" }: Wanted) =>
  `--device ${device}${site === undefined ? "" : ` --site ${site}`}`;
