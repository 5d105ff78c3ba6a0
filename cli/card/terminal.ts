import { deadlines, HOME_STEPS, STEPS, TROUBLES, type Card } from "./card.ts";
import { qrLines } from "./qr.ts";

/** Width of the text in columns. */
const WIDTH = 80;

/** The card as text. `codes` adds the QR codes, which need a terminal with 256 colours and 80 columns. */
export function cardText(card: Card, codes: boolean): string {
  const code = (text: string) => (codes ? ["", ...qrLines(text).map((line) => `   ${line}`), ""] : []);
  return [
    `${card.device} at ${card.url}`,
    "",
    ...STEPS.flatMap((step, index) => wrapText(step, `${(index + 1).toString()}. `)),
    "",
    "Server Endpoint URL",
    `   ${card.url}`,
    ...code(card.url),
    ...card.headers.flatMap(({ name, value }) => [
      "Header name",
      `   ${name}`,
      ...code(name),
      "Header value",
      `   ${value}`,
      ...code(value),
    ]),
    ...homeLines(card),
    "",
    ...deadlines(card).flatMap((sentence) => wrapText(sentence)),
    "",
    "What the app shows when something is wrong:",
    ...TROUBLES.flatMap(({ shown, meaning }) => [...wrapText(shown, "- "), ...wrapText(meaning, "    ", "    ")]),
    "",
  ].join("\n");
}

/** The address at home and how the app switches to it; nothing without one. */
const homeLines = ({ homeUrl }: Card): string[] =>
  homeUrl === undefined
    ? []
    : ["", "Address at home", `   ${homeUrl}`, ...HOME_STEPS.flatMap((step) => wrapText(step))];

/** A text in lines of at most `WIDTH` columns, the first one after `first`, the others after `rest`. */
function wrapText(text: string, first = "", rest = " ".repeat(first.length)): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(" ")) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = rest;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}
