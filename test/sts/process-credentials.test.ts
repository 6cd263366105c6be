import { describe, expect, it } from "vitest";
import { parseProcessCredentials } from "../../src/sts/process-credentials.ts";

const OUTPUT = {
  Version: 1,
  AccessKeyId: "ASIA000000001EXAMPLE",
  SecretAccessKey: "secret",
  SessionToken: "token",
  Expiration: "2026-01-02T03:04:05Z",
};

describe("the output of a credential process", () => {
  it("is read with a session token and an expiration", () => {
    expect(parseProcessCredentials(JSON.stringify(OUTPUT))).toEqual({
      accessKeyId: "ASIA000000001EXAMPLE",
      secretAccessKey: "secret",
      sessionToken: "token",
      expiration: new Date("2026-01-02T03:04:05Z"),
    });
  });

  it("is read as a long-lived key without them", () => {
    const { SessionToken: _token, Expiration: _expiration, ...output } = OUTPUT;
    const identity = parseProcessCredentials(`\n ${JSON.stringify(output)}\n`);
    expect(identity.sessionToken).toBeUndefined();
    expect(identity.expiration).toBeUndefined();
  });

  it("may hold fields that nobody knows", () => {
    const text = JSON.stringify({ ...OUTPUT, AccountId: "111111111111" });
    expect(parseProcessCredentials(text).accessKeyId).toBe(OUTPUT.AccessKeyId);
  });

  it.each([
    ["", "its output is not a JSON object"],
    ["CANARY", "its output is not a JSON object"],
    [`{"SecretAccessKey":"CANARY"`, "its output is not a JSON object"],
    ["null", "its output is not a JSON object"],
    [`["CANARY"]`, "its output is not a JSON object"],
    [`"CANARY"`, "its output is not a JSON object"],
    [JSON.stringify({ ...OUTPUT, Version: "1" }), "its output has no Version 1"],
    [JSON.stringify({ ...OUTPUT, Version: 2 }), "its output has no Version 1"],
    [JSON.stringify({ ...OUTPUT, AccessKeyId: "" }), "no AccessKeyId and SecretAccessKey"],
    [JSON.stringify({ ...OUTPUT, SecretAccessKey: 1 }), "no AccessKeyId and SecretAccessKey"],
  ])("is refused, unquoted, when it is %j", (text, reason) => {
    expect(() => parseProcessCredentials(text)).toThrow(reason);
    expect(() => parseProcessCredentials(text)).not.toThrow("CANARY");
  });
});
