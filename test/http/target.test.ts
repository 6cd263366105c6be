import { describe, expect, it } from "vitest";
import { decodeSegment, metadataTarget, pathOf } from "../../src/http/target.ts";

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
    expect(metadataTarget(target, false)).toEqual({ roleName: undefined, path });
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
    expect(metadataTarget(target, false).path).toBe(target);
  });

  it.each(["", "*", "http://169.254.169.254/latest/api/token", "latest/api/token"])(
    "%j is no path",
    (target) => {
      expect(pathOf(target)).toBeUndefined();
      expect(metadataTarget(target, false).path).not.toMatch(/^\//);
    },
  );
});

describe("request target on a listener with several roles", () => {
  it.each([
    ["/roles/reader/latest/api/token", "reader", "/latest/api/token"],
    ["//roles//reader//latest/", "reader", "/latest"],
    ["/roles/orders%2Dreader/2021-03-23/meta-data", "orders-reader", "/latest/meta-data"],
    ["/roles/reader", "reader", "/"],
    ["/roles/%/latest", undefined, "/latest"],
    ["/latest/api/token", undefined, "/latest/api/token"],
    ["/roles", undefined, "/roles"],
    ["/Roles/reader/latest", undefined, "/Roles/reader/latest"],
    ["/roles/../latest", "..", "/latest"],
  ])("%s is role %s at %s", (target, roleName, path) => {
    expect(metadataTarget(target, true)).toEqual({ roleName, path });
  });
});

describe("role name in a path", () => {
  it("is percent-decoded, and undefined when it cannot be", () => {
    expect(decodeSegment("orders%2Dreader")).toBe("orders-reader");
    expect(decodeSegment("orders-reader")).toBe("orders-reader");
    expect(decodeSegment("%")).toBeUndefined();
    expect(decodeSegment("%ff")).toBeUndefined();
  });
});
