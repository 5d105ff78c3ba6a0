// DER, the encoding of certificates: as much of it as X.509 needs.

/** Tags of the universal class. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  printable: 0x13,
  ia5: 0x16,
  utcTime: 0x17,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: tag, length, contents. */
export function element(kind: number, ...contents: Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(kind, body.length), body]);
  const size = Buffer.from(
    body.length.toString(16).padStart(body.length > 0xffff ? 6 : body.length > 0xff ? 4 : 2, "0"),
    "hex",
  );
  return Buffer.concat([Buffer.of(kind, 0x80 | size.length), size, body]);
}

export const sequence = (...items: Buffer[]): Buffer => element(tag.sequence, ...items);
export const set = (...items: Buffer[]): Buffer => element(tag.set, ...items);
export const octets = (content: Buffer): Buffer => element(tag.octets, content);
export const text = (kind: number, content: string): Buffer => element(kind, Buffer.from(content, "utf8"));

/** `[number]` around whole elements (constructed). */
export const explicit = (number: number, ...items: Buffer[]): Buffer => element(0xa0 | number, ...items);

/** `[number]` in place of a primitive element's own tag. */
export const implicit = (number: number, content: Buffer): Buffer => element(0x80 | number, content);

/** A non-negative whole number. */
export function integer(value: bigint | number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, "hex");
  return element(tag.integer, bytes[0]! & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

export const truth = Buffer.from([tag.boolean, 1, 0xff]);

/** A bit string of whole bytes, or with `unused` bits at its end. */
export const bits = (content: Buffer, unused = 0): Buffer => element(tag.bits, Buffer.of(unused), content);

/** An object identifier in dotted form. */
export function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number) as [number, number, ...number[]];
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return element(tag.oid, Buffer.from(bytes));
}

/** A moment, in whole seconds: two-digit years until 2049, four-digit years later, as X.509 wants it. */
export function moment(date: Date): Buffer {
  const digits = date.toISOString().replace(/\.\d+|[-:T]/g, "");
  return date.getUTCFullYear() < 2050 ? text(tag.utcTime, digits.slice(2)) : text(tag.time, digits);
}

/** An element read from DER. */
export interface Node {
  tag: number;
  /** The element with its tag and length. */
  whole: Buffer;
  content: Buffer;
}

/** The elements that follow one another in `bytes`. @throws Error when a length does not fit. */
export function read(bytes: Buffer): Node[] {
  const nodes: Node[] = [];
  for (let at = 0; at < bytes.length;) {
    let size = bytes[at + 1] ?? Number.NaN;
    let start = at + 2;
    if (size & 0x80) {
      const width = size & 0x7f;
      if (width === 0 || width > 4 || start + width > bytes.length) throw new Error("not valid DER");
      size = bytes.readUIntBE(start, width);
      start += width;
    }
    if (!(start + size <= bytes.length)) throw new Error("not valid DER");
    nodes.push({
      tag: bytes[at]!,
      whole: bytes.subarray(at, start + size),
      content: bytes.subarray(start, start + size),
    });
    at = start + size;
  }
  return nodes;
}

/** The bytes of a PEM block with the given label. @throws Error naming `property` when there is none. */
export function fromPem(pem: string, label: string, property: string): Buffer {
  const match = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(pem);
  if (!match) throw new Error(`${property} holds no PEM block "${label}"`);
  return Buffer.from(match[1]!, "base64");
}

/** A PEM block. */
export function toPem(bytes: Buffer, label: string): string {
  const lines = bytes.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
