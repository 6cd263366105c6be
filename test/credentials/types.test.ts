import { format, inspect } from "node:util";
import { serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import { SigningCredentials, TemporaryCredentials } from "../../src/credentials/types.ts";

const INIT = {
  accessKeyId: "ASIATARGETEXAMPLE",
  secretAccessKey: "hidden-key",
  sessionToken: "hidden-token",
  expiration: new Date("2026-11-02T13:00:00Z"),
  issuedAt: new Date("2026-11-02T12:00:00Z"),
};

const KINDS = [
  ["temporary credentials", new TemporaryCredentials(INIT)],
  ["base credentials", new SigningCredentials(INIT)],
] as const;

/** Every way in which an object ends up in a log, a crash dump or another object by accident. */
const WAYS: Readonly<Record<string, (credentials: SigningCredentials) => string>> = {
  "util.inspect": (credentials) => inspect(credentials),
  "util.inspect with all it has": (credentials) =>
    inspect(credentials, { showHidden: true, getters: true, depth: Infinity, showProxy: true }),
  "util.inspect of something around it": (credentials) =>
    inspect({ held: [credentials] }, { showHidden: true, getters: true, depth: Infinity }),
  "%s": (credentials) => format("%s", credentials),
  "%o": (credentials) => format("%o", credentials),
  "%O": (credentials) => format("%O", credentials),
  "%j": (credentials) => format("%j", credentials),
  "JSON.stringify": (credentials) => JSON.stringify({ credentials }),
  // oxlint-disable-next-line typescript/no-base-to-string -- that nothing useful comes out is the point
  String: (credentials) => String(credentials),
  structuredClone: (credentials) => inspect(structuredClone(credentials), { showHidden: true }),
  "v8.serialize": (credentials) => serialize(credentials).toString("latin1"),
  // oxlint-disable-next-line typescript/no-misused-spread -- somebody will
  spread: (credentials) => inspect({ ...credentials }),
  "Object.assign": (credentials) => JSON.stringify(Object.assign({}, credentials)),
  "Object.entries": (credentials) => inspect(Object.entries(credentials)),
  "for … in": (credentials) => {
    const seen: unknown[] = [];
    for (const field in credentials) seen.push(Reflect.get(credentials, field));
    return inspect(seen);
  },
  "own properties": (credentials) => inspect(Object.getOwnPropertyDescriptors(credentials)),
  "an error's cause": (credentials) => inspect(new Error("failed", { cause: credentials })),
};

describe.each(KINDS)("promise 10: the secrets of %s", (_kind, credentials) => {
  it.each(Object.entries(WAYS))("do not show through %s", (_way, show) => {
    expect(show(credentials)).not.toContain("hidden");
  });

  it("are there for who asks for them by name", () => {
    expect(credentials.secretAccessKey).toBe("hidden-key");
    expect(credentials.sessionToken).toBe("hidden-token");
  });

  it.each(["util.inspect", "JSON.stringify"])("leave the access key id in %s", (way) => {
    expect(WAYS[way]?.(credentials)).toContain("ASIATARGETEXAMPLE");
  });
});
