/**
 * A text from elsewhere, fit to be shown: without control characters, line breaks among them, and without what else is
 * invisible. A terminal would obey the former, and a reader be misled by the latter.
 */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "");
