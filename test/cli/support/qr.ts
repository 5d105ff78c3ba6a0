import jsQR from "jsqr";
import type { Page } from "playwright-core";

// jsqr is a CommonJS module that is its function; its types say that it has a default export.
const decode = jsQR as unknown as typeof jsQR.default;

/** Text of the QR code in a picture; `undefined` if it has none. The picture is decoded in a page of the browser. */
export async function readQrCode(page: Page, png: Buffer): Promise<string | undefined> {
  const { width, rows } = await page.evaluate<{ width: number; rows: string }>(`
    (async () => {
      const bitmap = await createImageBitmap(await (await fetch("data:image/png;base64,${png.toString("base64")}")).blob());
      const { width, height } = bitmap;
      const context = new OffscreenCanvas(width, height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      return { width, rows: Array.from({ length: width * height }, (_, i) => (data[i * 4] < 128 ? "#" : ".")).join("") };
    })()
  `);
  const pixels = Uint8ClampedArray.from(
    [...rows].flatMap((pixel) => (pixel === "#" ? [0, 0, 0, 255] : [255, 255, 255, 255])),
  );
  return decode(pixels, width, rows.length / width, { inversionAttempts: "dontInvert" })?.data;
}
