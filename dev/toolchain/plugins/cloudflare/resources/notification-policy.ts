// cloudflare:index/notificationPolicy:NotificationPolicy, as far as emails without filters need it.
import type { Value, Values } from "../../sdk/values.ts";
import { resource } from "../resource.ts";

const collection = ({ accountId }: Values) => `accounts/${accountId as string}/alerting/v3/policies`;

const destinations = { type: [{ properties: { id: { type: "string" } } }] } as const;

/** The API keeps sets: the order of addresses means nothing. */
const sameMechanisms = (left: Value, right: Value) => sortedText(left) === sortedText(right);

function sortedText(mechanisms: Value): string {
  const lists = Object.entries(mechanisms as Values).map(([name, list]) => [
    name,
    (list as Value[]).map((one) => JSON.stringify(one)).sort(),
  ]);
  return JSON.stringify(lists.sort());
}

export const notificationPolicy = resource({
  fields: {
    accountId: { type: "string", mode: "path", replaces: true },
    alertType: { type: "string", mode: "required" },
    name: { type: "string", mode: "required" },
    mechanisms: {
      type: { properties: { emails: destinations, pagerduties: destinations, webhooks: destinations } },
      mode: "required",
      inside: { emails: "email", pagerduties: "pagerduty" },
      same: sameMechanisms,
    },
    enabled: { type: "boolean", mode: "kept", default: true },
    description: { type: "string", mode: "optional" },
    created: { type: "string", mode: "computed" },
    modified: { type: "string", mode: "computed", follows: true },
  },
  create: { method: "POST", path: collection },
  item: (values, id) => `${collection(values)}/${id}`,
  update: "PUT",
  delete: "DELETE",
});
