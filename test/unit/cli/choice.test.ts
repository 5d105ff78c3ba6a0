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
  it("is found by its name where that is unique", () => {
    expect(chooseDevice("home", alone, { device: "frame" })).toBe(alone[1]);
    expect(chooseDevice("home", both, { device: "annas-phone" })).toBe(both[0]);
    expect(chooseDevice("home", both, { device: "berts-phone" })).toBe(both[3]);
  });

  it("is found by its site where the name is not unique", () => {
    expect(chooseDevice("home", both, { device: "frame", site: PHOTOS })).toBe(both[1]);
    expect(chooseDevice("home", both, { device: "frame", site: ALBUM })).toBe(both[2]);
    expect(() => chooseDevice("home", both, { device: "frame" })).toThrow(
      "there is a device frame at photos.example.com and album.example.com: add --site with one of them",
    );
  });

  it("is chosen from those that there are, with their sites where there are several", () => {
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

it("names a device again as it was named", () => {
  expect(optionsOf({ device: "frame" })).toBe("--device frame");
  expect(optionsOf({ device: "frame", site: ALBUM })).toBe("--device frame --site album.example.com");
});
