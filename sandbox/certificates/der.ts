// The small part of ASN.1 DER that certificates and certificate requests are made of.

/** One decoded element: its tag byte, its content and its whole encoding. */
export interface Element {
  tag: number;
  content: Buffer;
  raw: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Encodes one element from its tag byte and the parts of its content. */
export function encode(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const hex = content.length.toString(16);
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content]);
}

export const sequence = (...parts: Uint8Array[]): Buffer => encode(TAG.sequence, ...parts);
export const set = (...parts: Uint8Array[]): Buffer => encode(TAG.set, ...parts);
export const boolean = (value: boolean): Buffer => encode(TAG.boolean, Buffer.from([value ? 0xff : 0]));
export const octets = (content: Uint8Array): Buffer => encode(TAG.octetString, content);
export const text = (value: string): Buffer => encode(TAG.utf8String, Buffer.from(value));
export const nothing = (): Buffer => encode(TAG.null);

/** A bit string; `unused` is the number of unused bits in the last byte. */
export const bits = (content: Uint8Array, unused = 0): Buffer => encode(TAG.bitString, Buffer.from([unused]), content);

/** A context-specific, constructed element such as `[0] EXPLICIT`. */
export const tagged = (number: number, ...parts: Uint8Array[]): Buffer => encode(0xa0 | number, ...parts);

/** A non-negative integer given as big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const trimmed = Buffer.from(bytes.subarray(start));
  const first = trimmed[0] ?? 0;
  return encode(TAG.integer, first >= 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed);
}

/** An object identifier from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return encode(TAG.oid, Buffer.from(bytes));
}

/** A point in time, in the form RFC 5280 asks for (UTCTime before 2050). */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, "");
  return date.getUTCFullYear() < 2050
    ? encode(TAG.utcTime, Buffer.from(digits.slice(2)))
    : encode(TAG.generalizedTime, Buffer.from(digits));
}

/** Decodes the element at `offset`. Throws a RangeError where the bytes end too early. */
export function decode(bytes: Buffer, offset = 0): Element {
  const tag = bytes.readUInt8(offset);
  let length = bytes.readUInt8(offset + 1);
  let start = offset + 2;
  if (length > 0x80) {
    const size = length & 0x7f;
    if (size > 6) throw new RangeError("DER: element length out of range");
    length = bytes.readUIntBE(start, size);
    start += size;
  }
  const end = start + length;
  if (end > bytes.length) throw new RangeError("DER: element is cut short");
  return { tag, content: bytes.subarray(start, end), raw: bytes.subarray(offset, end) };
}

/** Decodes the elements that a constructed element holds, in order. */
export function children(parent: Element): Element[] {
  const found: Element[] = [];
  for (let offset = 0; offset < parent.content.length;) {
    const child = decode(parent.content, offset);
    found.push(child);
    offset += child.raw.length;
  }
  return found;
}

/** The dotted form of an object identifier's content. */
export function dotted(content: Buffer): string {
  const first = content[0] ?? 0;
  const parts = [Math.min(Math.floor(first / 40), 2)];
  parts.push(first - (parts[0] ?? 0) * 40);
  let value = 0;
  for (const byte of content.subarray(1)) {
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      parts.push(value);
      value = 0;
    }
  }
  return parts.join(".");
}

/** Decodes the first PEM block with this label. Throws if there is none. */
export function fromPem(pem: string, label: string): Buffer {
  const match = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(pem);
  if (match?.[1] === undefined) throw new Error(`no PEM block "${label}" found`);
  return Buffer.from(match[1], "base64");
}

/** Encodes a PEM block, ending with a newline. */
export function toPem(der: Buffer, label: string): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
