// PEM, the text form of keys, certificates and requests.

/** The bytes of the first PEM block with the label. @throws Error naming `what` when there is none. */
export function fromPem(pem: string, label: string, what: string): Buffer {
  const match = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(pem);
  if (!match) throw new Error(`${what} holds no PEM block "${label}"`);
  return Buffer.from(match[1]!, "base64");
}

/** A PEM block, which ends with a newline. */
export function toPem(bytes: Uint8Array, label: string): string {
  const lines = Buffer.from(bytes)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
