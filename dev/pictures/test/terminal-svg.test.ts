import { styleText } from "node:util";
import { expect, test } from "vitest";
import { terminalSvg } from "../terminal-svg.ts";

const coloured = (text: string) => styleText("green", text, { validateStream: false });

test("a picture of a terminal shows each line in its colours, and is as large as they are", () => {
  const svg = terminalSvg(`$ doctor\n\n  ${coloured("ok")}  all`);
  expect(svg).toContain('<text x="20" y="34" xml:space="preserve">$ doctor</text>');
  expect(svg).toContain('<text x="20" y="74" xml:space="preserve">  <tspan fill="#3fb950">ok</tspan>  all</text>');
  // Nine columns and three lines, with a margin on each side
  expect(svg).toContain('width="116" height="100"');
});

test("what is markup in SVG is text in a picture of a terminal", () => {
  const svg = terminalSvg('curl -H "<token>" & true');
  expect(svg).toContain('>curl -H "&lt;token&gt;" &amp; true</text>');
  expect(svg).not.toContain("<token>");
});
