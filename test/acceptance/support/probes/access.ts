import { get } from "../../../../components/site-check/network.ts";
import { describe } from "../api.ts";
import type { Laboratory } from "../laboratory.ts";

/** An application with its policies and tokens, as the program makes them. The name is online, with nothing behind it. */
export async function probeAccess(lab: Laboratory): Promise<void> {
  const { api } = lab.place;
  const { hostname, name } = lab;
  const make = async (path: string, body: object) => String((await api.must("POST", lab.access(path), body)).result.id);
  const people = await make("/policies", {
    name: `${name} people`,
    decision: "allow",
    include: [{ email: { email: "nobody@example.com" } }],
  });

  const app = (policies: string[], flag: boolean) => ({
    name,
    type: "self_hosted",
    domain: hostname,
    destinations: [{ type: "public", uri: hostname }],
    policies: policies.map((id, index) => ({ id, precedence: index + 1 })),
    service_auth_401_redirect: flag,
  });
  const seen: string[] = [];
  let id = "";
  const created = await lab.follow(
    async () => {
      const reply = await api.call("POST", lab.access("/apps"), app([people], false));
      if (reply.ok) id = String(reply.result.id);
      seen.push(describe(reply));
      return seen.at(-1) ?? "";
    },
    (said) => said === "accepted",
  );
  lab.note("6.1", { ...created, said: created.said.replace(", then accepted", "; then accepted") });
  if (id === "") throw new Error("no application could be created");

  const inForce = await lab.follow(
    () => visit(lab),
    (said) => said === "302 to the login" || said === "401",
  );
  // Access that is there at once leaves nothing else to be seen.
  const late = inForce.said.includes(", then ");
  lab.note("4.1", {
    ...inForce,
    said: late ? "after a while" : inForce.said === "302 to the login" ? "at once" : inForce.said,
  });
  lab.note("3.2", await visit(lab));

  const put = (policies: string[], flag: boolean) => api.call("PUT", lab.access(`/apps/${id}`), app(policies, flag));
  lab.note("1.1", describe(await put([people], true)));
  await probeFlag(lab, put, people, make);
  await probeTokens(lab);
  lab.note("5.1", api.passing403 === 0 ? "none" : api.passing403.toString());
}

/** The flag with a policy for people and one for services. */
async function probeFlag(
  lab: Laboratory,
  put: (policies: string[], flag: boolean) => ReturnType<Laboratory["place"]["api"]["call"]>,
  people: string,
  make: (path: string, body: object) => Promise<string>,
): Promise<void> {
  const { name } = lab;
  const token = await make("/service_tokens", { name: `${name} device`, duration: "24h" });
  const devices = await make("/policies", {
    name: `${name} devices`,
    decision: "non_identity",
    include: [{ service_token: { token_id: token } }],
  });
  const accepted = await lab.follow(
    async () => describe(await put([devices, people], true)),
    (said) => said === "accepted",
  );
  if (!accepted.said.endsWith("accepted")) throw new Error(`the flag with both policies is ${accepted.said}`);
  // What it changes may take as long as the application itself.
  const settled = await lab.follow(
    () => visit(lab),
    (said) => said === "401",
  );
  lab.note("3.1", settled.said.endsWith("401") ? { ...settled, said: "401" } : await visit(lab));
  lab.note("1.2", describe(await put([people], true)));
  await put([people], false);
}

async function probeTokens(lab: Laboratory): Promise<void> {
  const { api } = lab.place;
  const tokens = lab.access("/service_tokens");
  const forever = await api.call("POST", tokens, { name: `${lab.name} forever`, duration: "forever" });
  const end = forever.result.expires_at;
  lab.note(
    "19.1",
    forever.ok ? `accepted, ${typeof end === "string" ? `until ${end}` : "without an end"}` : describe(forever),
  );

  const brief = await api.must("POST", tokens, { name: `${lab.name} brief`, duration: "48h" });
  const refreshed = await api.call("POST", `${tokens}/${String(brief.result.id)}/refresh`);
  if (!refreshed.ok) {
    lab.note("19.2", describe(refreshed));
    return;
  }
  const days = Math.round((Date.parse(String(refreshed.result.expires_at)) - Date.now()) / 86_400_000);
  const length = days > 360 && days < 370 ? "one more year" : `${days.toString()} days`;
  lab.note("19.2", `${length}, ${refreshed.result.client_secret ? "a" : "no"} new secret`);
}

/** What a person without a session gets, in the words of the table. */
async function visit({ place: { network }, hostname }: Laboratory): Promise<string> {
  try {
    const { status, location } = await get(network, new URL(`https://${hostname}/`), {});
    if (status === 302 && location.includes("/cdn-cgi/access/login")) return "302 to the login";
    return status >= 520 ? "past Access" : status.toString();
  } catch (error) {
    return error instanceof Error ? `no answer (${error.message})` : "no answer";
  }
}
