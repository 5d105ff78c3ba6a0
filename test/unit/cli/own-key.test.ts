// The key with which the host logs in to itself, and its line in authorized_keys.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Dialogue } from "../../../cli/configure/dialogue.ts";
import { hasKey, makeOwnKey, withLine, withoutLine } from "../../../cli/configure/own-key.ts";

const SITE = "photos.example.com";
const ANOTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO9SZaqHnFo0/5uyBlooOOA1gBhnsLHdS+gpf8jf9s7C anna@laptop";

let home: string;
let file: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "immich-access-home-"));
  file = join(home, ".ssh/authorized_keys");
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

const agreeing = () => new Dialogue({ "ssh-make-key": true }, false);
const make = (dialogue = agreeing(), sshPrivateKey?: string) =>
  makeOwnKey(dialogue, (key) => (key === "sshPrivateKey" ? sshPrivateKey : undefined), SITE, home);
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const keys = () => readFileSync(file, "utf8");

function present(text: string, mode = 0o600): void {
  mkdirSync(join(home, ".ssh"), { mode: 0o700 });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

describe("a new key", () => {
  it("may do nothing but run commands from the machine itself", async () => {
    const login = await make();
    expect(login).toMatchObject({ sshAgent: false, sshPrivateKeyPassphrase: "" });
    expect(login.sshPrivateKey).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
    expect(keys()).toMatch(
      /^restrict,from="127\.0\.0\.1,::1" ssh-ed25519 [A-Za-z0-9+/=]{68} immich-access photos\.example\.com\n$/,
    );
    expect([modeOf(join(home, ".ssh")), modeOf(file)]).toEqual(["700", "600"]);
  });

  it("leaves the other keys, the file's mode and a link to it as they are", async () => {
    present(ANOTHER, 0o644);
    await make();
    expect(keys().startsWith(`${ANOTHER}\nrestrict,`)).toBe(true);
    expect(modeOf(file)).toBe("644");
    rmSync(file);
    writeFileSync(join(home, "elsewhere"), `${ANOTHER}\n`);
    symlinkSync("../elsewhere", file);
    await make();
    expect(readFileSync(join(home, "elsewhere"), "utf8").split("\n")).toHaveLength(3);
  });

  it("is not made a second time, and its line comes back if it is gone", async () => {
    const { sshPrivateKey } = await make();
    const before = keys();
    expect((await make(agreeing(), sshPrivateKey)).sshPrivateKey).toBe(sshPrivateKey);
    expect(keys()).toBe(before);
    rmSync(file);
    await make(agreeing(), sshPrivateKey);
    expect(keys()).toBe(before);
  });

  it("is made in place of a key that is somebody's own", async () => {
    const { default: ssh2 } = await import("ssh2");
    const own = ssh2.utils.generateKeyPairSync("ed25519", { comment: "anna@laptop" }).private;
    expect((await make(agreeing(), own)).sshPrivateKey).not.toBe(own);
  });

  it("is not added unless somebody agrees", async () => {
    await expect(make(new Dialogue({}, false))).rejects.toThrow("the key has not been added");
    expect(existsSync(file)).toBe(false);
  });

  it("goes again if no settings are written, and stays if they are", async () => {
    present(`${ANOTHER}\n`);
    const dialogue = agreeing();
    await make(dialogue);
    dialogue.takeBack();
    expect(keys()).toBe(`${ANOTHER}\n`);
    await make(dialogue);
    dialogue.settle();
    dialogue.takeBack();
    expect(keys()).toContain("immich-access");
    rmSync(file);
    await make(dialogue);
    dialogue.takeBack();
    expect(existsSync(file)).toBe(false);
  });
});

it("a key is found whatever its options and its comment are, but not in a comment line", () => {
  const [type, blob] = ANOTHER.split(" ") as [string, string];
  expect(hasKey(`from="::1" ${type} ${blob} another comment\n`, ANOTHER)).toBe(true);
  expect(hasKey(`# ${ANOTHER}\n`, ANOTHER)).toBe(false);
  expect(hasKey("", ANOTHER)).toBe(false);
});

it("a line is added to a file whose last line is not ended, and taken away without a trace", () => {
  expect(withLine("a", "b")).toBe("a\nb\n");
  expect(withLine("", "b")).toBe("b\n");
  expect(withoutLine("a\nb\nc\n", "b")).toBe("a\nc\n");
  expect(withoutLine("b\n", "b")).toBe("");
});
