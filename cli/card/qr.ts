import encodeQR from "qr";

/** Light modules around a code, which ISO/IEC 18004 asks for: readers fail without them. */
const BORDER = 4;

const modules = (text: string): boolean[][] => encodeQR(text, "raw", { border: BORDER, ecc: "medium" });

/** A QR code as an SVG element, black on white whatever the page's colours are. */
export function qrSvg(text: string, label: string): string {
  const rows = modules(text);
  const size = rows.length.toString();
  const dark = rows.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? [`M${x.toString()} ${y.toString()}h1v1h-1z`] : [])),
  );
  return (
    `<svg role="img" aria-label="${label}" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">` +
    `<rect width="${size}" height="${size}" fill="#fff"/><path d="${dark.join("")}" fill="#000"/></svg>`
  );
}

/**
 * A QR code as lines for a terminal, two modules in the height of a line. Its colours are given, not left to the
 * terminal: light on dark it would be inverted, which many readers do not take.
 */
export function qrLines(text: string): string[] {
  const rows = modules(text);
  const colour = (isDark: boolean | undefined) => (isDark ? "16" : "231");
  return rows.flatMap((upper, y) => {
    if (y % 2 === 1) return [];
    const cells = upper.map((isDark, x) => {
      // The upper half in the foreground's colour, the lower half in the background's.
      return `\u001b[38;5;${colour(isDark)};48;5;${colour(rows[y + 1]?.[x])}m▀`;
    });
    return [`${cells.join("")}\u001b[0m`];
  });
}
