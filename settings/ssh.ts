/** Host key types that both current OpenSSH servers and Go's SSH client support. */
const HOST_KEY_TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

/** The line to pin for a pasted host key, or the problem with it. */
export type HostKeyResult = { line: string; problem?: never } | { line?: never; problem: string };

/**
 * Turns a host's public key into the one line that `@pulumi/command` pins: `<type> <base64>`, as in authorized_keys.
 *
 * It accepts the content of `/etc/ssh/ssh_host_ed25519_key.pub`, a known_hosts line (hashed or not), and the whole
 * output of ssh-keyscan, from which it takes the ed25519 key, else an ecdsa key. It refuses an RSA key: pinning one
 * makes the client offer only the `ssh-rsa` signature, which OpenSSH has not accepted since 8.8.
 */
export function normaliseHostKey(text: string): HostKeyResult {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#")).map(parseKeyLine);
  if (keys.length === 0) return { problem: "is empty" };
  const usable = HOST_KEY_TYPES.flatMap((type) => keys.filter((key) => key?.type === type))[0];
  if (usable) {
    return blobType(usable.blob) === usable.type
      ? { line: `${usable.type} ${usable.blob}` }
      : { problem: "is damaged: its base64 part does not hold a key of the type that it names" };
  }
  if (keys.some((key) => key?.type === "ssh-rsa")) {
    return {
      problem:
        "is an RSA key; pinning one makes the client insist on SHA-1 signatures, which OpenSSH refuses since 8.8. " +
        "Use the host's ed25519 or ecdsa key",
    };
  }
  return { problem: "is not a public key line like `ssh-ed25519 AAAA…`" };
}

function parseKeyLine(line: string): { type: string; blob: string } | undefined {
  if (line.startsWith("@")) return undefined;
  // In a known_hosts or ssh-keyscan line the host precedes the key type.
  const words = line.split(/\s+/);
  const at = words.findIndex((word) => word === "ssh-rsa" || HOST_KEY_TYPES.includes(word));
  const [type, blob] = at === 0 || at === 1 ? words.slice(at) : [];
  return type !== undefined && blob !== undefined ? { type, blob } : undefined;
}

/** The key type in the first field of an SSH public key blob (RFC 4253, section 6.6). */
function blobType(blob: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) return undefined;
  const bytes = Buffer.from(blob, "base64");
  if (bytes.length < 4) return undefined;
  const length = bytes.readUInt32BE(0);
  return bytes.length > 4 + length ? bytes.subarray(4, 4 + length).toString("latin1") : undefined;
}

/** The problem with an SSH private key, without quoting the key; `undefined` if it looks usable. */
export function privateKeyProblem(text: string): string | undefined {
  const match = /^-----BEGIN ([A-Z ]*)PRIVATE KEY-----\r?\n([\s\S]+)\r?\n-----END \1PRIVATE KEY-----\s*$/.exec(text);
  if (!match) {
    return text.trimStart().startsWith("-----BEGIN")
      ? "is cut off or lost its line breaks; it must reach to the END line"
      : "is not a private key; give the key's text, not the name of its file";
  }
  // Go's SSH client, which the provider uses, has no decryption for it.
  return match[1] === "ENCRYPTED "
    ? "is protected by a passphrase in the form of PKCS #8, which the provider does not read; `ssh-keygen -p -f <file>` changes it"
    : undefined;
}

/** Whether a key that has no `privateKeyProblem` is protected by a passphrase. */
export function isProtected(key: string): boolean {
  const opensshBody = /^-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+)-----END/.exec(key)?.[1];
  return opensshBody === undefined ? key.includes("Proc-Type: 4,ENCRYPTED") : opensshCipher(opensshBody) !== "none";
}

/** The cipher of an OpenSSH private key file (format: PROTOCOL.key in the OpenSSH sources). */
function opensshCipher(body: string): string | undefined {
  const bytes = Buffer.from(body.replace(/\s/g, ""), "base64");
  const magic = "openssh-key-v1\0";
  if (bytes.subarray(0, magic.length).toString("latin1") !== magic) return undefined;
  const length = bytes.length > magic.length + 4 ? bytes.readUInt32BE(magic.length) : 0;
  return bytes.subarray(magic.length + 4, magic.length + 4 + length).toString("latin1");
}
