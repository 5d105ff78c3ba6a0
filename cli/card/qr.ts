import encodeQR from "qr";

/** Width of the light border in modules. ISO/IEC 18004 requires it, and readers fail without it. */
const BORDER = 4;

const modules = (text: string): boolean[][] => encodeQR(text, "raw", { border: BORDER, ecc: "medium" });

/** A QR code as an SVG element, black on white regardless of the page's colours. */
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
 * A QR code as lines for a terminal, two modules per line of text. It sets its colours itself: on a dark terminal the
 * code would otherwise be inverted, and many readers reject that.
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
