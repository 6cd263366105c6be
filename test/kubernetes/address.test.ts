import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalAddress } from "../../src/kubernetes/address.ts";

describe("the one spelling of an address", () => {
  it.each([
    ["10.244.0.11", "10.244.0.11"],
    ["::ffff:10.244.0.11", "10.244.0.11"],
    ["::FFFF:0AF4:000B", "10.244.0.11"],
    ["0:0:0:0:0:ffff:10.244.0.11", "10.244.0.11"],
    ["fd00:244:0:0:0:0:0:11", "fd00:244::11"],
    ["FD00:244::0011", "fd00:244::11"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:127.0.0.1%lo", "127.0.0.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["64:ff9b::10.0.0.1", "64:ff9b::a00:1"],
  ])("of %s is %s", (text, expected) => {
    expect(normalAddress(text)).toBe(expected);
  });

  it.each([
    "",
    "localhost",
    "10.0.0",
    "010.0.0.1",
    "10.0.0.1/24",
    "10.0.0.1%eth0",
    "[::1]",
    "::1]/",
    "1:2:3:4:5:6:7:8:9",
    "::ffff:10.0.0.256",
    " ::1",
    "%eth0",
  ])("is none for %j", (text) => {
    expect(normalAddress(text)).toBeUndefined();
  });

  it("is the same for every way to write the same IPv6 address, and its own", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const spelled = normalAddress(text);
        expect(spelled).toBeDefined();
        expect(normalAddress(spelled ?? "")).toBe(spelled);
        expect(normalAddress(text.toUpperCase())).toBe(spelled);
      }),
    );
  });
});
