// What the sections of the status page are made of. Everything put into a template is escaped by hono/html.

import { html } from "hono/html";

type Html = ReturnType<typeof html>;

export type Tone = "good" | "bad" | "warn" | "plain" | "orange";

export const badge = (text: string, tone: Tone = "plain"): Html => html`<span class="badge ${tone}">${text}</span>`;

export const code = (text: string): Html => html`<code>${text}</code>`;

/** On or off, as a badge. */
export const onOff = (on: boolean): Html => badge(on ? "on" : "off", on ? "good" : "plain");

/** A section with its number of things. */
export const section = (title: string, count: number | undefined, body: unknown): Html =>
  html`<section>
    <h2>${title}${count === undefined ? "" : html` <small>${count}</small>`}</h2>
    ${body}
  </section>`;

/** A table, or a line that says that there is nothing. A row with a class gets it. */
export function table(
  heads: string[],
  rows: { cells: unknown[]; class?: string }[],
  nothing: string,
): Html | Promise<Html> {
  if (rows.length === 0) return html`<p class="nothing">${nothing}</p>`;
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${heads.map((head) => html`<th>${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr class="${row.class ?? ""}">
              ${row.cells.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

const DAY = 86_400_000;
const SOON_DAYS = 30;

/** 2026-11-24 07:30, UTC. */
export const moment = (time: string): string => time.slice(0, 16).replace("T", " ");

/** When something ends, with how long that is from now: red once it is over, amber in the last 30 days. */
export function ends(time: string | null): Html {
  if (time === null) return badge("never", "warn");
  const left = Date.parse(time) - Date.now();
  if (left <= 0) return html`${moment(time)} ${badge("over", "bad")}`;
  const text = left > 2 * DAY ? `in ${Math.floor(left / DAY)} days` : `in ${Math.ceil(left / 3_600_000)} h`;
  return html`${moment(time)} ${badge(text, left < SOON_DAYS * DAY ? "warn" : "plain")}`;
}
