import { createHash } from "node:crypto";
import { deadlines, HOME_STEPS, STEPS, TROUBLES, type Card } from "./card.ts";
import { qrSvg } from "./qr.ts";

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1.5rem; }
.item p { margin: 0; }
code { display: block; overflow-wrap: anywhere; user-select: all; font-size: 0.95rem; }
svg { display: block; width: 12rem; height: 12rem; margin-top: 0.5rem; }
dt { font-weight: 600; margin-top: 0.75rem; }
dd { margin: 0; }
@media print { button { display: none; } }
`;

// Not every browser has the clipboard; there a click selects the text.
const SCRIPT = `
for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
  });
}
`;

const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Allows only this style and this script, by their hashes; the page loads and sends nothing. */
const POLICY = `default-src 'none'; style-src ${hash(STYLE)}; script-src ${hash(SCRIPT)}; base-uri 'none'; form-action 'none'`;

/** The card as a self-contained page. */
export function cardPage(card: Card): string {
  const title = `${card.device} at ${card.url}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p>This page holds the secret of ${escapeHtml(card.device)}. Anyone who has it gets past Cloudflare, but not into Immich.
Show it only to the owner of the device, and delete it afterwards.</p>
<ol>
${STEPS.map((step) => `<li>${escapeHtml(step)}</li>`).join("\n")}
</ol>
<h2>Address</h2>
${item("Server Endpoint URL", card.url)}
${card.headers
  .map(
    ({ name, value }, index) => `<h2>Header ${(index + 1).toString()}</h2>
<div class="pair">
${item("Header name", name)}
${item("Header value", value)}
</div>`,
  )
  .join("\n")}
${homePart(card)}<h2>How long it works</h2>
${deadlines(card)
  .map((sentence) => `<p>${escapeHtml(sentence)}</p>`)
  .join("\n")}
<h2>What the app shows when something is wrong</h2>
<dl>
${TROUBLES.map(({ shown, meaning }) => `<dt>${escapeHtml(shown)}</dt><dd>${escapeHtml(meaning)}</dd>`).join("\n")}
</dl>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

/** The address at home and how the app switches to it; empty without one. */
function homePart({ homeUrl }: Card): string {
  if (homeUrl === undefined) return "";
  const steps = HOME_STEPS.map((step) => `<p>${escapeHtml(step)}</p>`).join("\n");
  return `<h2>At home</h2>\n${item("Address at home", homeUrl)}\n${steps}\n`;
}

/** A value for a field of the app, as text and as a QR code. */
function item(label: string, text: string): string {
  return (
    `<div class="item"><p>${label}</p><code>${escapeHtml(text)}</code><button type="button">Copy</button>` +
    `${qrSvg(text, `QR code of this ${label.toLowerCase()}`)}</div>`
  );
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character);
