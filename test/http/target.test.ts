import { describe, expect, it } from "vitest";
import { decodeRoleName, pathOf } from "../../src/metadata/target.ts";

describe("request target", () => {
  it.each([
    ["/latest/api/token", "/latest/api/token"],
    ["//latest/api/token", "/latest/api/token"],
    ["/latest//meta-data///iam/", "/latest/meta-data/iam"],
    [
      "/latest/meta-data/iam/security-credentials//reader",
      "/latest/meta-data/iam/security-credentials/reader",
    ],
    ["/2021-03-23/meta-data/", "/latest/meta-data"],
    ["/1.0/meta-data", "/latest/meta-data"],
    ["/2009-04-04", "/latest"],
    ["/", "/"],
    ["///", "/"],
  ])("%s means %s", (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  it.each([
    "/latest/./api/token",
    "/x/../latest/api/token",
    "/x/%2e%2e/latest/api/token",
    "/latest/api/token?x",
    "/latest/api/token#x",
    "/latest\\api\\token",
    "/LATEST/api/token",
    "/latest%2Fapi/token",
    "/latest/api/token;x",
    "/2021-3-23/api/token",
    "/latestx/api/token",
  ])("%s is left as it is, and so is in no table", (target) => {
    expect(pathOf(target)).toBe(target);
  });

  it.each(["", "*", "http://169.254.169.254/latest/api/token", "latest/api/token"])(
    "%j is no path",
    (target) => {
      expect(pathOf(target)).toBeUndefined();
    },
  );
});

describe("role name in a path", () => {
  it("is percent-decoded, and undefined when it cannot be", () => {
    expect(decodeRoleName("orders%2Dreader")).toBe("orders-reader");
    expect(decodeRoleName("orders-reader")).toBe("orders-reader");
    expect(decodeRoleName("%")).toBeUndefined();
    expect(decodeRoleName("%ff")).toBeUndefined();
  });
});
