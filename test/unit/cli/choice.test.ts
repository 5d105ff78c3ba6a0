import { describe, expect, it } from "vitest";
import { chooseDevice, optionsOf } from "../../../cli/lib/choice.ts";

const PHOTOS = "photos.example.com";
const ALBUM = "album.example.com";
const alone = [
  { site: PHOTOS, device: "annas-phone" },
  { site: PHOTOS, device: "frame" },
];
const both = [...alone, { site: ALBUM, device: "frame" }, { site: ALBUM, device: "berts-phone" }];

describe("a device", () => {
  it("a device is found by its name if that is unique", () => {
    expect(chooseDevice("home", alone, { device: "frame" })).toBe(alone[1]);
    expect(chooseDevice("home", both, { device: "annas-phone" })).toBe(both[0]);
    expect(chooseDevice("home", both, { device: "berts-phone" })).toBe(both[3]);
  });

  it("a device is found by its site if its name is not unique", () => {
    expect(chooseDevice("home", both, { device: "frame", site: PHOTOS })).toBe(both[1]);
    expect(chooseDevice("home", both, { device: "frame", site: ALBUM })).toBe(both[2]);
    expect(() => chooseDevice("home", both, { device: "frame" })).toThrow(
      "there is a device frame at photos.example.com and album.example.com: add --site with one of them",
    );
  });

  it("a missing or unknown device is answered with the devices there are, with their sites if there are several", () => {
    expect(() => chooseDevice("home", alone, {})).toThrow("--device is missing; the stack home has annas-phone, frame");
    expect(() => chooseDevice("home", [], { device: "x" })).toThrow(
      "there is no device x; the stack home has none yet",
    );
    expect(() => chooseDevice("home", both.slice(1), { device: "berts-phone", site: PHOTOS })).toThrow(
      "there is no device berts-phone at photos.example.com; the stack home has frame (photos.example.com), " +
        "frame (album.example.com), berts-phone (album.example.com)",
    );
  });
});

it("a chosen device is named in the same form again", () => {
  expect(optionsOf({ device: "frame" })).toBe("--device frame");
  expect(optionsOf({ device: "frame", site: ALBUM })).toBe("--device frame --site album.example.com");
});
