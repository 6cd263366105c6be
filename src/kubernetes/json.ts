/** @module Reads what came as JSON, field by field, and takes nothing for granted. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object in a field; an empty one when there is none. */
export function objectIn(value: unknown, name: string): JsonObject {
  const field = isObject(value) ? value[name] : undefined;
  return isObject(field) ? field : {};
}

/** The list in a field; an empty one when there is none. */
export function listIn(value: unknown, name: string): readonly unknown[] {
  const field = isObject(value) ? value[name] : undefined;
  return Array.isArray(field) ? field : [];
}

/** The text in a field, or undefined when there is none or it is empty. */
export function textIn(value: unknown, name: string): string | undefined {
  const field = isObject(value) ? value[name] : undefined;
  return typeof field === "string" && field !== "" ? field : undefined;
}
