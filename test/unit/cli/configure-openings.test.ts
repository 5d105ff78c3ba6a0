import { expect, it } from "vitest";
import { Dialogue, type Question } from "../../../cli/configure/dialogue.ts";
import type { Survey } from "../../../cli/configure/host.ts";
import { askOpenings, openingTasks } from "../../../cli/configure/openings.ts";

const HOME = ["8123/tcp from 192.168.1.0/24"];
const CLOSING: Survey["closing"] = [
  { service: "443/tcp", holder: "nginx with /etc/nginx/conf.d/own.conf:1", reachedBy: ["everyone"], home: [] },
  { service: "8123/tcp", holder: "the container home-assistant", reachedBy: ["192.168.1.0/24"], home: HOME },
  { service: "51820/udp", holder: "WireGuard wg0", reachedBy: ["everyone"], home: [] },
];
const SURVEY = { closing: CLOSING, originPort: 443 } as Survey;

/** Somebody at a terminal who chooses by the port that a question begins with. */
class Owner extends Dialogue {
  public readonly asked: string[] = [];

  private readonly chooses: Readonly<Record<string, string>>;

  public constructor(chooses: Readonly<Record<string, string>>) {
    super({}, true);
    this.chooses = chooses;
  }

  public override choose({ message }: Question, choices: readonly { value: string }[]): Promise<string> {
    this.asked.push(message);
    const choice = this.chooses[message.split(":")[0] ?? ""] ?? "";
    expect(choices.map(({ value }) => value)).toContain(choice);
    return Promise.resolve(choice);
  }

  public override warn(): void {}
}

it("the owner decides about each service", async () => {
  const owner = new Owner({ "443/tcp": "agree", "8123/tcp": "home", "51820/udp": "everyone" });
  const settings = await askOpenings(owner, SURVEY, ["22000/tcp"]);
  expect(settings).toEqual({
    keepOpen: JSON.stringify(["22000/tcp", ...HOME, "51820/udp"]),
    closeOthers: "true",
  });
  expect(owner.asked[1]).toBe("8123/tcp: the container home-assistant, which 192.168.1.0/24 can reach today");
  expect(openingTasks(SURVEY, settings)).toEqual([]);
});

it("who does not want to lose visitors on port 443 is not overruled", async () => {
  const owner = new Owner({ "443/tcp": "later", "8123/tcp": "home", "51820/udp": "everyone" });
  const settings = await askOpenings(owner, SURVEY, []);
  expect(settings).toEqual({ keepOpen: JSON.stringify([...HOME, "51820/udp"]) });
  expect(openingTasks(SURVEY, settings)).toEqual([
    "only Cloudflare will reach 443/tcp (nginx with /etc/nginx/conf.d/own.conf:1): agree to it with --close-others",
  ]);
});

it("without a terminal only flags decide, and the rest is left to do", async () => {
  expect(await askOpenings(new Dialogue({}, false), SURVEY, [])).toEqual({});
  expect(openingTasks(SURVEY, {})).toHaveLength(3);
  const flags = { "keep-open": ["51820/udp"], "close-others": true };
  const settings = await askOpenings(new Dialogue(flags, false), SURVEY, []);
  expect(settings).toEqual({ keepOpen: '["51820/udp"]', closeOthers: "true" });
});

it("a host that serves nothing else is asked nothing", async () => {
  expect(await askOpenings(new Owner({}), { closing: [] as Survey["closing"], originPort: 443 } as Survey, [])).toEqual(
    {},
  );
});
