import { describe, expect, it } from "vitest";
import { SigningCredentials, TemporaryCredentials } from "../../src/credentials/types.ts";
import { validateBase, validateSession } from "../../src/credentials/validate.ts";
import { CrossroleError } from "../../src/errors.ts";
import { BASE, HOUR, roleSession } from "./support.ts";

const NOW = new Date("2026-11-02T12:00:00Z");

interface Fields {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

const GOOD: Fields = {
  accessKeyId: "ASIATARGETEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJIMEYCIQD=",
  expiration: new Date(NOW.getTime() + HOUR),
};

function session(changes: Partial<Fields>): TemporaryCredentials {
  return new TemporaryCredentials({ ...GOOD, ...changes, issuedAt: NOW });
}

function at(offsetMs: number): Partial<Fields> {
  return { expiration: new Date(NOW.getTime() + offsetMs) };
}

const BAD: { readonly what: string; readonly fields: Partial<Fields>; readonly names: string }[] = [
  { what: "an empty access key id", fields: { accessKeyId: "" }, names: "AccessKeyId" },
  { what: "a short access key id", fields: { accessKeyId: "ASIAEXAMPLE" }, names: "AccessKeyId" },
  {
    what: "a quoted access key id",
    fields: { accessKeyId: '"ASIATARGETEXAMPLE"' },
    names: "AccessKeyId",
  },
  {
    what: "an access key id with a newline",
    fields: { accessKeyId: "ASIATARGETEXAMPLE\n" },
    names: "AccessKeyId",
  },
  { what: "an empty secret", fields: { secretAccessKey: "" }, names: "SecretAccessKey" },
  { what: "a secret with a comma", fields: { secretAccessKey: "a,b" }, names: "SecretAccessKey" },
  { what: "a secret with a space", fields: { secretAccessKey: "a b" }, names: "SecretAccessKey" },
  {
    what: "a secret with a newline",
    fields: { secretAccessKey: "ab\n" },
    names: "SecretAccessKey",
  },
  { what: "a secret with a quote", fields: { secretAccessKey: 'a"b' }, names: "SecretAccessKey" },
  {
    what: "a secret with a backslash",
    fields: { secretAccessKey: "a\\b" },
    names: "SecretAccessKey",
  },
  { what: "an empty token", fields: { sessionToken: "" }, names: "SessionToken" },
  { what: "a token that is no ASCII", fields: { sessionToken: "tokén" }, names: "SessionToken" },
  {
    what: "a token of a page of HTML",
    fields: { sessionToken: "<p>Bad Gateway</p> " },
    names: "SessionToken",
  },
  { what: "no date", fields: { expiration: new Date(Number.NaN) }, names: "Expiration" },
  { what: "an expiration now", fields: at(0), names: "Expiration" },
  { what: "an expiration in the past", fields: at(-HOUR), names: "Expiration" },
  { what: "an expiration in 36 hours and more", fields: at(36 * HOUR + 1), names: "Expiration" },
];

function errorOf(run: () => unknown): CrossroleError {
  try {
    run();
  } catch (error) {
    if (error instanceof CrossroleError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("promise 3: nothing empty or malformed passes", () => {
  it("passes what STS gives", () => {
    const credentials = session({});
    expect(validateSession(credentials, roleSession(), NOW.getTime())).toBe(credentials);
  });

  it("passes every character of base64 and base64url", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_";
    const credentials = session({ secretAccessKey: alphabet, sessionToken: alphabet });
    expect(validateSession(credentials, roleSession(), NOW.getTime())).toBe(credentials);
  });

  it("passes an expiration of 1 ms and of 36 hours", () => {
    for (const offsetMs of [1, 36 * HOUR]) {
      const credentials = session(at(offsetMs));
      expect(validateSession(credentials, roleSession(), NOW.getTime())).toBe(credentials);
    }
  });

  it.each(BAD)("refuses $what of STS, and names the field", ({ fields, names }) => {
    const error = errorOf(() => validateSession(session(fields), roleSession(), NOW.getTime()));
    expect(error.code).toBe("ERR_STS_MALFORMED");
    expect(error.message).toContain(names);
    expect(error.message).toContain(roleSession().roleArn);
  });

  it.each(BAD)("refuses $what of a base, and names the base", ({ fields, names }) => {
    const error = errorOf(() => validateBase(session(fields), BASE, NOW.getTime()));
    expect(error.code).toBe("ERR_BASE_UNAVAILABLE");
    expect(error.message).toContain(names);
    expect(error.message).toContain('"hub"');
  });

  it("refuses a role session that came without a session token", () => {
    const keys = new SigningCredentials({ ...GOOD, sessionToken: undefined, issuedAt: NOW });
    const error = errorOf(() => validateSession(keys, roleSession(), NOW.getTime()));
    expect(error.message).toContain("no session token");
  });

  it("passes a base of long-lived keys", () => {
    const keys = new SigningCredentials({
      accessKeyId: "AKIAHUBUSEREXAMPLE",
      secretAccessKey: GOOD.secretAccessKey,
      issuedAt: NOW,
    });
    expect(validateBase(keys, BASE, NOW.getTime())).toBe(keys);
  });
});

describe("promise 10: secrets never reach an error", () => {
  it.each(BAD)("does not repeat the secrets when it refuses $what", ({ fields }) => {
    const error = errorOf(() => validateSession(session(fields), roleSession(), NOW.getTime()));
    expect(error.message).not.toContain(GOOD.secretAccessKey);
    expect(error.message).not.toContain(GOOD.sessionToken);
    const told = [fields.secretAccessKey, fields.sessionToken].filter(
      (secret) => secret !== undefined && secret !== "",
    );
    for (const secret of told) expect(error.message).not.toContain(secret);
  });
});
