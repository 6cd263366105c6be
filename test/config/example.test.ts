import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { jsonSchema } from "../../src/config/schema.ts";
import { misfitsIn, placesIn, placesOf } from "../support/json-schema.ts";
import { READER, configOf, fileOf, refusalOf } from "./support.ts";

const read = async (name: string) =>
  await readFile(new URL(`../../${name}`, import.meta.url), "utf8");
const text = await read("crossrole.example.yaml");
const podsText = await read("crossrole.pods.example.yaml");
const examples: readonly (readonly [string, unknown])[] = [
  ["crossrole.example.yaml", parse(text)],
  ["crossrole.pods.example.yaml", parse(podsText)],
];

/** Told of in a comment: it excludes its neighbour, or needs a variable to be set. */
const TOLD = ["roles.*.authorizationToken.environment", "kubernetes.annotations.kiam"];

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

  it("for pods is accepted, without a notice", () => {
    const config = configOf(podsText);

    expect(config.listeners.map(({ kind }) => kind)).toEqual(["pods", "pods"]);
    expect(config.kubernetes?.annotations.legacy?.kind).toBe("kube2iam");
    expect(config.notices).toEqual([]);
  });

  it.each(examples)("says nothing that the printed JSON Schema does not know: %s", (_, example) => {
    const unknown = placesIn(jsonSchema(), example).filter(
      (place) => !placesOf(jsonSchema()).includes(place) && !place.includes(".policy."),
    );

    expect(unknown).toEqual([]);
  });

  it.each(examples)("fits the printed JSON Schema in kinds, keys and bounds: %s", (_, example) => {
    expect(misfitsIn(jsonSchema(), example)).toEqual([]);
  });

  it("shows, with the one for pods, every key that this version accepts", () => {
    const shown = new Set(examples.flatMap(([, example]) => placesIn(jsonSchema(), example)));
    const missing = placesOf(jsonSchema()).filter(
      (place) =>
        !shown.has(place) &&
        !TOLD.some((told) => place.startsWith(told)) &&
        !/^kubernetes\.annotations\.\w+\.via\[\]/.test(place),
    );

    expect(missing).toEqual([]);
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
