// The questions about what else the host serves: its firewall would block all of it.
import type { Dialogue } from "./dialogue.ts";
import type { Survey } from "./host.ts";
import { problemOfEntry } from "./setting-problems.ts";
import type { Texts } from "./stack.ts";

/** What nginx serves besides Immich on the same port: it goes on, but only Cloudflare reaches it. */
const websites = ({ originPort }: Survey) => `${originPort.toString()}/tcp`;

/** The flags that `askOpenings` takes. */
const KEEP_FLAG = "keep-open";
const CLOSE_FLAG = "close-others";

/**
 * Asks about each service of the host that its firewall would block. Without a terminal only flags decide, and `pulumi up`
 * stops at what they leave open.
 *
 * @param present the setting `keepOpen` before this run
 * @returns the settings that have changed
 */
export async function askOpenings(dialogue: Dialogue, survey: Survey, present: readonly string[]): Promise<Texts> {
  const { closing } = survey;
  const given = dialogue.texts(KEEP_FLAG, problemOfEntry("keepOpen"));
  const shuts = dialogue.given(CLOSE_FLAG);
  const settled = given !== undefined || shuts !== undefined;
  if (!dialogue.interactive || settled || closing.length === 0) {
    return {
      ...(given !== undefined && { keepOpen: JSON.stringify(given) }),
      ...(shuts !== undefined && { closeOthers: shuts.toString() }),
    };
  }
  dialogue.warn(
    "The host's firewall is off and will be turned on. It will block everything else the host serves, unless you keep it open.",
  );
  const kept: string[] = [];
  let agrees = true;
  for (const { service, holder, reachedBy, home } of closing) {
    const message = `${service}: ${holder}, which ${reachedBy.join(" and ")} can reach today`;
    if (service === websites(survey)) {
      const choice = await dialogue.choose({ flag: "", message }, [
        { value: "agree", label: "let only Cloudflare reach it from then on", hint: "for names that it proxies" },
        { value: "later", label: "decide later", hint: "`pulumi up` stops until you agree" },
      ]);
      agrees = choice === "agree";
      continue;
    }
    const choice = await dialogue.choose({ flag: "", message }, [
      ...(home.length === 0
        ? []
        : [{ value: "home", label: "keep it open to the network at home", hint: home.join(", ") }]),
      { value: "everyone", label: "keep it open to everyone", hint: service },
      { value: "block", label: "block it" },
    ]);
    if (choice !== "block") kept.push(...(choice === "home" ? home : [service]));
  }
  return { keepOpen: JSON.stringify([...present, ...kept]), ...(agrees && { closeOthers: "true" }) };
}

/** What is left to decide before `pulumi up`, if anything. */
export function openingTasks(survey: Survey, { keepOpen = "[]", closeOthers }: Texts): string[] {
  if (closeOthers === "true") return [];
  const named = (JSON.parse(keepOpen) as string[]).map((words) => words.split(" ")[0] ?? "");
  return survey.closing
    .filter(({ service }) => !named.some((ports) => ports === service || ports === service.split("/")[0]))
    .map(({ service, holder, home }) => {
      if (service === websites(survey))
        return `only Cloudflare will reach ${service} (${holder}): agree to it with --${CLOSE_FLAG}`;
      const words = home[0] ?? service;
      return (
        `the firewall would block ${service} (${holder}): keep it open with --${KEEP_FLAG} "${words}", or block all that ` +
        `you do not keep with --${CLOSE_FLAG}`
      );
    });
}
