import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./cloudflare-account.ts";
import { isAddressType } from "./dns-record-types.ts";

/** A DNS record as the API lists it. */
interface ListedRecord {
  id: string;
  type: string;
  name: string;
  content: string;
  proxied?: boolean;
  comment?: string | null;
}

/** The inputs of a record that is about to be created. */
interface WantedRecord {
  name: string;
  type: string;
  comment: string;
}

export interface RecordSwitchArgs {
  zoneId: string;
  hostname: string;
  api: { open: () => Promise<Account> };
}

/** Under what name a record waits for its deletion. nginx serves no such name. */
const formerName = ({ id, name }: ListedRecord): string => `former-${id.slice(0, 8)}.${name}`;

/**
 * Lets a name's records change between addresses and a CNAME in one `up`. Cloudflare refuses a CNAME beside A and AAAA
 * records of the same name (81053 and 81054), and the engine creates before it deletes. So the stack's own records that
 * are in the way get another name just before the creation, and the engine deletes them at the end by their ids, which
 * stay. The name has no record for the time of two requests.
 */
export class RecordSwitch {
  /** Moves this stack's records out of the way of the one that is about to be created. Nobody else's. */
  public readonly before: pulumi.ResourceHook;
  /** Moves them back if the creation has failed. */
  public readonly failed: pulumi.ErrorHook;

  public constructor({ zoneId, hostname, api: { open } }: RecordSwitchArgs) {
    const folder = `zones/${zoneId}/dns_records`;
    this.before = new pulumi.ResourceHook(`${hostname}-record-switch`, async ({ newInputs = {} }) => {
      await moveAway(await open(), folder, newInputs as unknown as WantedRecord);
    });
    this.failed = new pulumi.ErrorHook(`${hostname}-record-switch-failed`, async ({ failedOperation, newInputs }) => {
      if (failedOperation === "create") await moveBack(await open(), folder, newInputs as unknown as WantedRecord);
      // Whether to try again is for others to say.
      return false;
    });
  }
}

/** Gives other names to the stack's records that exclude `wanted`. */
export async function moveAway(api: Account, folder: string, wanted: WantedRecord): Promise<void> {
  const listed = await api.list<ListedRecord>(`${folder}?name=${wanted.name}`);
  const inTheWay = listed.filter((record) => isOwn(record, wanted) && excludes(record.type, wanted.type));
  for (const record of inTheWay) await rename(api, folder, record, formerName(record));
}

/** Gives the stack's records their name again. */
export async function moveBack(api: Account, folder: string, wanted: WantedRecord): Promise<void> {
  const listed = await api.list<ListedRecord>(folder);
  const away = listed.filter(
    (record) => isOwn(record, wanted) && record.name === formerName({ ...record, name: wanted.name }),
  );
  for (const record of away) await rename(api, folder, record, wanted.name);
}

/** Changes a record's name and nothing else. Cloudflare publishes type and ttl as required in a PATCH, too. */
const rename = (api: Account, folder: string, { id, type, content }: ListedRecord, name: string): Promise<void> =>
  api.patch(`${folder}/${id}`, { name, type, content, proxied: true, ttl: 1 });

/** Whether this program has made the record: it is proxied and has the comment that the owner's own do not have. */
const isOwn = ({ proxied, comment }: ListedRecord, wanted: WantedRecord): boolean =>
  proxied === true && comment === wanted.comment;

const excludes = (present: string, wanted: string): boolean =>
  (present === "CNAME" && isAddressType(wanted)) || (isAddressType(present) && wanted === "CNAME");
