import { describe, expect, it } from "vitest";
import { parseListener } from "../../src/node/addresses.ts";

describe("a listener's address", () => {
  it("is taken in the spelling that every program uses", () => {
    expect(parseListener("--listen", "169.254.171.254:51679", 4)).toEqual({
      address: "169.254.171.254",
      port: 51_679,
    });
    expect(parseListener("--listen6", "[FD00:0EC2:FA11:0::254]:1", 6)).toEqual({
      address: "fd00:ec2:fa11::254",
      port: 1,
    });
  });

  it.each([
    "",
    "169.254.171.254",
    "169.254.171.254:",
    "169.254.171:80",
    "0169.254.171.254:80",
    "localhost:80",
    "[fd00::1]:80",
    "169.254.171.254:80; flush ruleset",
    '169.254.171.254" accept:80',
    "169.254.171.254:8e1",
  ])("is not %j", (text) => {
    expect(() => parseListener("--listen", text, 4)).toThrow(
      /^--listen must be an IPv4 address and a port, like .*; it is "/,
    );
  });

  it.each(["fd00::1:80", "[fe80::1%eth0]:80", "[169.254.171.254]:80", "[fd00::1]", "[]:80"])(
    "of IPv6 is not %j",
    (text) => {
      expect(() => parseListener("--listen6", text, 6)).toThrow(/must be an IPv6 address/);
    },
  );

  it.each(["0", "65536", "99999"])("has no port %s", (port) => {
    expect(() => parseListener("--listen", `169.254.171.254:${port}`, 4)).toThrow(
      /must have a port from 1 to 65535/,
    );
  });

  it.each<[string, 4 | 6]>([
    ["169.254.169.254:80", 4],
    ["169.254.170.23:80", 4],
    ["[fd00:ec2:0::254]:80", 6],
    ["[fd00:ec2::23]:80", 6],
  ])("is not one that is redirected to it: %s", (text, version) => {
    expect(() => parseListener("--listen", text, version)).toThrow(/is redirected to it/);
  });

  it.each<[string, 4 | 6]>([
    ["127.0.0.1:80", 4],
    ["0.0.0.0:80", 4],
    ["224.0.0.1:80", 4],
    ["255.255.255.255:80", 4],
    ["[::1]:80", 6],
    ["[::]:80", 6],
    ["[fe80::1]:80", 6],
    ["[ff02::1]:80", 6],
    ["[::ffff:169.254.171.254]:80", 6],
  ])("is not one that no pod can be sent to: %s", (text, version) => {
    expect(() => parseListener("--listen", text, version)).toThrow(/that pods can be sent to/);
  });
});
