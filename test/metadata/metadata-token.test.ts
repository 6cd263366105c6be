import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isTokenValid,
  issueToken,
  newTokenKeys,
  parseTtl,
  rotate,
} from "../../src/metadata/metadata-token.ts";

const NOW = Date.parse("2026-08-22T10:00:00Z");
const HOUR = 3_600_000;
const audience = { caller: "127.0.0.1", listener: "127.0.0.1:9911" };

describe("TTL header", () => {
  it.each(["1", "5", "60", "300", "21600", "00060"])("accepts %j", (ttl) => {
    expect(parseTtl(ttl)).toBe(Number(ttl));
  });

  it.each([
    undefined,
    "",
    "0",
    "21601",
    "-1",
    "1.5",
    "1e3",
    "0x10",
    " 60",
    "60 ",
    "60, 60",
    "６０",
  ])("refuses %j", (ttl) => {
    expect(() => parseTtl(ttl)).toThrow(expect.objectContaining({ code: "ERR_TOKEN_TTL_INVALID" }));
  });
});

describe("metadata token", () => {
  const keys = newTokenKeys(NOW);

  it("is good for its caller and listener until its TTL is over, and not a millisecond longer", () => {
    const token = issueToken(keys, audience, 60, NOW);
    expect(token).toMatch(/^[\w-]{51}$/);
    expect(isTokenValid(keys, audience, token, NOW)).toBe(true);
    expect(isTokenValid(keys, audience, token, NOW + 59_999)).toBe(true);
    expect(isTokenValid(keys, audience, token, NOW + 60_000)).toBe(false);
  });

  it("is refused from another caller, at another listener, and under another key", () => {
    const token = issueToken(keys, audience, 60, NOW);
    expect(isTokenValid(keys, { ...audience, caller: "127.0.0.2" }, token, NOW)).toBe(false);
    expect(isTokenValid(keys, { ...audience, listener: "127.0.0.1:9912" }, token, NOW)).toBe(false);
    expect(isTokenValid(newTokenKeys(NOW), audience, token, NOW)).toBe(false);
  });

  it("does not let the border between caller and listener be moved", () => {
    const token = issueToken(keys, { listener: "a", caller: "b" }, 60, NOW);
    expect(isTokenValid(keys, { listener: "a\nb", caller: "" }, token, NOW)).toBe(false);
    expect(isTokenValid(keys, { listener: "", caller: "a\nb" }, token, NOW)).toBe(false);
  });

  it("is refused when any of its characters is another one", () => {
    const token = issueToken(keys, audience, 21_600, NOW);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (let index = 0; index < token.length; index++) {
      for (const other of `${alphabet}+/= %`) {
        if (other === token[index]) continue;
        const altered = token.slice(0, index) + other + token.slice(index + 1);
        expect(isTokenValid(keys, audience, altered, NOW), `${index} ${other}`).toBe(false);
      }
    }
  });

  it("refuses whatever else a header can hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (token) => {
        expect(isTokenValid(keys, audience, token, NOW)).toBe(false);
      }),
      { numRuns: 5_000 },
    );
  });

  it("is refused when it claims to live longer than six hours", () => {
    const token = issueToken(keys, audience, 21_600, NOW + HOUR);
    expect(isTokenValid(keys, audience, token, NOW)).toBe(false);
  });
});

describe("token keys", () => {
  it("sign for a day, then new ones do", () => {
    const keys = newTokenKeys(NOW);
    expect(rotate(keys, NOW + 24 * HOUR - 1)).toBe(keys);
    expect(rotate(keys, NOW + 24 * HOUR)).not.toBe(keys);
  });

  it("accept the tokens of the key before for the six hours that these may live", () => {
    const old = newTokenKeys(NOW);
    const rotated = rotate(old, NOW + 24 * HOUR);
    const token = issueToken(old, audience, 21_600, NOW + 24 * HOUR - 1);
    expect(isTokenValid(rotated, audience, token, NOW + 30 * HOUR - 2)).toBe(true);
    expect(isTokenValid(rotated, audience, token, NOW + 30 * HOUR)).toBe(false);
    const late = issueToken(old, audience, 21_600, NOW + 30 * HOUR);
    expect(isTokenValid(rotated, audience, late, NOW + 30 * HOUR + 1)).toBe(false);
  });

  it("are replaced when the clock was set back before their beginning", () => {
    const keys = newTokenKeys(NOW);
    expect(rotate(keys, NOW - 1)).not.toBe(keys);
  });
});
