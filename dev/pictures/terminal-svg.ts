import Anser from "anser";

/** Sizes in pixels. The width of a character is that of most monospace fonts, 0.6 of their height. */
const FONT = 14;
const CHARACTER = FONT * 0.6;
const LINE = 20;
const MARGIN = 20;

/** The colours of a dark terminal, by the names that anser has for them. */
const COLOURS: Readonly<Record<string, string>> = {
  "ansi-green": "#3fb950",
  "ansi-yellow": "#d29922",
  "ansi-red": "#f85149",
};
const [BACKGROUND, TEXT] = ["#0d1117", "#e6edf3"];

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Draws text as a terminal shows it, with the colours of its escape sequences, as an SVG image. */
export function terminalSvg(text: string): string {
  const lines = text.trimEnd().split("\n").map(parts);
  const columns = Math.max(...lines.map((line) => line.reduce((sum, { content }) => sum + content.length, 0)));
  const [width, height] = [columns * CHARACTER + 2 * MARGIN, lines.length * LINE + 2 * MARGIN].map(Math.ceil) as [
    number,
    number,
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>`,
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT}" fill="${TEXT}">`,
    ...lines.flatMap((line, row) => drawLine(line, MARGIN + FONT + row * LINE)),
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

/** Text of one colour; `null` is the terminal's own. */
interface Part {
  content: string;
  fg: string | null;
}

const parts = (line: string): Part[] =>
  Anser.ansiToJson(line, { use_classes: true, remove_empty: true }).map(({ content, fg }) => ({ content, fg }));

function drawLine(line: readonly Part[], y: number): string[] {
  if (line.length === 0) return [];
  const spans = line.map(({ content, fg }) => {
    const colour = fg === null ? undefined : COLOURS[fg];
    return colour === undefined ? escape(content) : `<tspan fill="${colour}">${escape(content)}</tspan>`;
  });
  return [`<text x="${MARGIN}" y="${y}" xml:space="preserve">${spans.join("")}</text>`];
}
