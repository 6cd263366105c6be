import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { configSchema, jsonSchema } from "../../src/config/schema.ts";
import { misfitsIn, placesIn, placesOf } from "../support/json-schema.ts";
import { READER, configOf, fileOf, refusalOf } from "./support.ts";

const text = await readFile(new URL("../../crossrole.example.yaml", import.meta.url), "utf8");
const example: unknown = parse(text);

const listener = { address: "127.0.0.1:9911" };

/** What the schema knows and this version refuses, so that nobody relies on it; with a file that says it. */
const NOT_YET: readonly (readonly [string, object])[] = [
  ["listeners[].pods", fileOf({}, { listeners: [{ ...listener, pods: true }] })],
  [
    "associations",
    fileOf({}, { associations: [{ namespace: "a", serviceAccount: "b", role: "reader" }] }),
  ],
];

/** Told of in a comment: it excludes its neighbour, and needs a variable to be set. */
const TOLD = ["roles.*.authorizationToken.environment"];

describe("the example file", () => {
  it("is accepted, with its roles and listeners and without a notice", () => {
    const config = configOf(text);

    expect([...config.roles.keys()]).toEqual(["orders-reader", "invoices"]);
    expect(config.listeners).toMatchObject([
      { kind: "role", role: "orders-reader" },
      { kind: "role", role: "invoices" },
      { kind: "roles", roles: ["orders-reader", "invoices"] },
    ]);
    expect(config.notices).toEqual([]);
  });

  it("says nothing that the printed JSON Schema does not know", () => {
    const unknown = placesIn(jsonSchema(), example).filter(
      (place) => !placesOf(jsonSchema()).includes(place) && !place.includes(".policy."),
    );

    expect(unknown).toEqual([]);
  });

  it("fits the printed JSON Schema in kinds, required keys, patterns and bounds", () => {
    expect(misfitsIn(jsonSchema(), example)).toEqual([]);
  });

  it("shows every key that this version accepts", () => {
    const shown = placesIn(jsonSchema(), example);
    const missing = placesOf(jsonSchema()).filter(
      (place) =>
        ![...shown, ...TOLD].includes(place) && !NOT_YET.some(([later]) => place.startsWith(later)),
    );

    expect(missing).toEqual([]);
  });
});

describe("a key for a later version", () => {
  it.each(NOT_YET)("fits the schema, is refused, and is not in the example: %s", (place, file) => {
    const key = place.replace("[]", "[0]").replace("*", "reader");

    expect(configSchema.safeParse(file).success).toBe(true);
    expect(misfitsIn(jsonSchema(), file)).toEqual([]);
    expect(refusalOf(() => configOf(file)).message).toContain(`${key} is not in this version yet`);
    expect(placesIn(jsonSchema(), example)).not.toContain(place);
  });
});

describe("the printed JSON Schema", () => {
  it.each<[string, object]>([
    ["an unknown key", fileOf({}, { regoin: "x" })],
    ["an unknown key of a role", fileOf({ regoin: "x" })],
    ["an unknown key of a hop", fileOf({ via: [{ arn: READER, regoin: "x" }] })],
    ["a role without an ARN", { roles: { reader: {} } }],
    ["a hop without an ARN", fileOf({ via: [{}] })],
    ["a duration that is too short", fileOf({ durationSeconds: 900 })],
    ["a number for a text", fileOf({ externalId: 12 })],
    ["a role's name with a blank", { roles: { "a b": { arn: READER } } }],
    ["no roles", {}],
  ])("refuses what the loader refuses: %s", (_, file) => {
    expect(misfitsIn(jsonSchema(), file)).not.toEqual([]);
    expect(refusalOf(() => configOf(file)).code).toBe("ERR_CONFIG_INVALID");
  });
});
