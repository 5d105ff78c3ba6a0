import { readFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "prettier";
import { expect, it } from "vitest";
import { TROUBLES } from "../../../cli/card/card.ts";

const path = join(import.meta.dirname, "../../../docs/add-a-phone.md");

/** The page with the table that the card's own list makes. */
function page(): Promise<string> {
  const [, before = "", after = ""] =
    /^([^]*\n## When it does not work\n\n)(?:\|.*\n)+([^]*)$/.exec(readFileSync(path, "utf8")) ?? [];
  const rows = [
    ["the app shows", "which means"],
    ["---", "---"],
    ...TROUBLES.map(({ shown, meaning }) => [shown, meaning]),
  ];
  const table = rows.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  return format(`${before}${table}${after}`, { parser: "markdown", printWidth: 120 });
}

// `npx vitest run --project=unit test/unit/cli/card-page.test.ts --update` writes it.
it("docs/add-a-phone.md has the card's table of what the app shows when something is wrong", async () => {
  await expect(await page()).toMatchFileSnapshot(path);
});
