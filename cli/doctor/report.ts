import { styleText } from "node:util";
import { exitStatus, type Finding, type Place, type Status } from "./finding.ts";

/** The result of a run of the doctor. */
export interface Diagnosis {
  /** Host names, the main site's first. */
  sites: readonly string[];
  /** In their order within each place. */
  findings: readonly Finding[];
  seconds: number;
  /** Whether what is due for renewal counts as wrong. Default: false. */
  failOnDue?: boolean;
}

const PLACES: Readonly<Record<Place, string>> = {
  workstation: "From this workstation",
  host: "On the host",
  cloudflare: "At Cloudflare, and through it",
};
const LABELS: Readonly<Record<Status, string>> = { ok: "ok", warning: "warning", wrong: "WRONG", unknown: "unknown" };
const COLOURS = { ok: "green", warning: "yellow", wrong: "red", unknown: "yellow" } as const;
const LABEL_WIDTH = "warning".length;

/** The place of a finding, with its host and site if there are several. */
function heading({ place, host, site }: Finding): string {
  const subject = [host, site].filter((name) => name !== undefined);
  return subject.length === 0 ? PLACES[place] : `${PLACES[place]}: ${subject.join(", ")}`;
}

/**
 * The table for a person, by place, host and site. Each failed check has its consequence and remedy below it.
 *
 * @param stream the stream to which it will be written, which decides about colours
 */
export function table({ sites, findings, seconds }: Diagnosis, stream: NodeJS.WritableStream): string {
  const width = Math.max(...findings.map(({ title }) => title.length));
  const margin = " ".repeat(LABEL_WIDTH + 4);
  const row = ({ status, title, says, why, fix }: Finding) => [
    `  ${styleText(COLOURS[status], LABELS[status].padEnd(LABEL_WIDTH), { stream })}  ${title.padEnd(width)}  ${says}`,
    ...(why === undefined ? [] : [`${margin}why  ${why}`]),
    ...(fix === undefined ? [] : [`${margin}fix  ${fix}`]),
  ];
  const parts = (Object.keys(PLACES) as Place[]).flatMap((place) => {
    const here = findings.filter((finding) => finding.place === place);
    const headings = new Set(here.map(heading));
    return [...headings].flatMap((one) => [
      one,
      ...here.filter((finding) => heading(finding) === one).flatMap(row),
      "",
    ]);
  });
  return [sites.join(", "), "", ...parts, `${summary(findings)} (${seconds.toFixed(1)} s)`].join("\n");
}

function summary(findings: readonly Finding[]): string {
  const count = (status: Status) => findings.filter((finding) => finding.status === status).length;
  const rest = [
    [count("wrong"), "wrong"],
    [count("warning"), "to look after"],
    [count("unknown"), "not checked"],
  ] as const;
  const bad = rest.filter(([number]) => number > 0).map(([number, what]) => `${number.toString()} ${what}`);
  return bad.length === 0 ? `All ${findings.length.toString()} checks passed` : `${bad.join(", ")}, the rest passed`;
}

/** The same for a program: one JSON object with the main `site`, `exitStatus`, `seconds` and `findings`. */
export function json({ sites, findings, seconds, failOnDue }: Diagnosis): string {
  return JSON.stringify({ site: sites[0], exitStatus: exitStatus(findings, failOnDue), seconds, findings }, null, 2);
}
