import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sessionNameOf } from "../../src/credentials/session-name.ts";

/** What STS takes for a RoleSessionName. */
const STS_NAME = /^[\w+=,.@-]{2,64}$/;

function long(end: string): string {
  return sessionNameOf("{hostname}", { hostname: `${"h".repeat(80)}${end}` });
}

describe("the name of a role session", () => {
  it("is the template with its placeholders filled in", () => {
    const names = { hostname: "laptop", role: "reader" };

    expect(sessionNameOf("{role}@{hostname}-{role}", names)).toBe("reader@laptop-reader");
    expect(sessionNameOf("orders", names)).toBe("orders");
  });

  it.each([
    ["orders-{hostname}", "my host.local", "orders-my-host.local"],
    ["{hostname}", "a/b:c#d", "a-b-c-d"],
    ["{hostname}", "hôte", "h-te"],
    ["{hostname}", "x", "x-"],
    ["{hostname}", "", "--"],
    ["{hostname}", "a+=,.@-_b", "a+=,.@-_b"],
  ])("has a - for what STS does not allow: %j with %j is %j", (template, hostname, name) => {
    expect(sessionNameOf(template, { hostname })).toBe(name);
  });

  it("leaves out a placeholder that has no value, and one that every object has", () => {
    expect(sessionNameOf("a-{pod}-b", {})).toBe("a--b");
    expect(sessionNameOf("a-{constructor}-{toString}-b", {})).toBe("a---b");
  });

  it("is whole up to 64 characters, and longer ones end in a hash of the whole", () => {
    expect(sessionNameOf("{hostname}", { hostname: "h".repeat(64) })).toBe("h".repeat(64));
    expect(sessionNameOf("{hostname}", { hostname: "h".repeat(65) })).toMatch(
      /^h{55}-[0-9a-f]{8}$/,
    );
  });

  it("differs for long names that differ only at their end", () => {
    expect(long("a")).not.toBe(long("b"));
  });

  it("differs for long names that differ only in what is not allowed", () => {
    expect(long("/")).not.toBe(long(":"));
  });

  it("is one that STS takes and the same on every day, whatever goes in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), fc.string(), (hostname, role) => {
        const name = sessionNameOf("{role}-{hostname}", { hostname, role });

        expect(name).toMatch(STS_NAME);
        expect(sessionNameOf("{role}-{hostname}", { hostname, role })).toBe(name);
      }),
    );
  });
});
