import { setTimeout as sleep } from "node:timers/promises";
import type { Network } from "../../../components/site-check/network.ts";
import type { Api } from "./api.ts";
import type { Witness } from "./witness.ts";
import type { FactId, Measurement, Measurements } from "./facts.ts";

/** Begins the name of everything that the suite makes, and of nothing else. */
export const PREFIX = "immich-access-acceptance-";

/** Reserved for documentation (RFC 5737), so nothing answers there. */
export const NOWHERE = "192.0.2.1";

/** Where the suite measures. */
export interface Place {
  api: Api;
  network: Network;
  zoneId: string;
  accountId: string;
  zoneName: string;
  /** Where the suite's DNS records lead. Nothing has to answer there, unless there is a witness. */
  origin: string;
  /** What answers there, and writes down how it was asked. */
  witness?: Witness | undefined;
  /** Whether the program itself is run, through the engine. */
  hasEngine: boolean;
  /** How long to wait for something, and how often to look, in milliseconds. */
  patience: number;
  every: number;
  /** Ends the run early. */
  signal: AbortSignal;
  report: (line: string) => void;
}

/** A run of the suite: its own name, and what it has measured. */
export class Laboratory {
  public readonly place: Place;
  public readonly name: string;
  public readonly measured: Measurements = {};

  public constructor(place: Place, random: string) {
    this.place = place;
    this.name = `${PREFIX}${random}`;
  }

  /** A host name of this run's own. */
  public get hostname(): string {
    return `${this.name}.${this.place.zoneName}`;
  }

  public zone(path: string): string {
    return `/zones/${this.place.zoneId}${path}`;
  }

  public access(path: string): string {
    return `/accounts/${this.place.accountId}/access${path}`;
  }

  /** Writes down what came of a fact. */
  public note(fact: FactId, measurement: Measurement | string): void {
    this.place.signal.throwIfAborted();
    const one = typeof measurement === "string" ? { said: measurement } : measurement;
    this.measured[fact] = one;
    this.place.report(`${fact}: ${one.said}${one.seconds === undefined ? "" : ` (${one.seconds.toString()} s)`}`);
  }

  /**
   * Looks until what it sees is the last thing to come, or time is over.
   * @returns all that was seen in its order, and the seconds until the last
   */
  public async follow(look: () => Promise<string>, last: (seen: string) => boolean): Promise<Measurement> {
    const { patience, every, signal } = this.place;
    const begun = performance.now();
    const seen: string[] = [];
    for (;;) {
      const now = await look();
      if (seen.at(-1) !== now) seen.push(now);
      const passed = performance.now() - begun;
      if (last(now)) return { said: seen.join(", then "), seconds: Math.round(passed / 100) / 10 };
      if (passed > patience) return { said: `${seen.join(", then ")}, and no more` };
      await sleep(every, undefined, { signal });
    }
  }
}
