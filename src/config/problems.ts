/** @module What is wrong with a configuration, in one line each: path, rule, value, nearest known key. */
import type { z } from "zod";
import { CrossroleError } from "../errors.ts";
import { jsonSchema } from "./schema.ts";

export interface Problem {
  /** Such as `roles.reader.via[0].arn`; empty for the whole file. */
  readonly path: string;
  /** The rule, from `must` on. A getter where it takes a while: not every problem is told. */
  readonly message: string;
}

type Path = readonly PropertyKey[];

/** Values that may be secret or half of one: they are never repeated. */
const UNSPOKEN = /externalId|process|policy$|authorizationToken|^bases\.[^.]+$/;

/** A URL with a user or a query: a password is in the one, a token in the other. */
const SECRET_URL = /:\/\/[^/]*@|:\/\/.*\?/;

const MAX_VALUE_LENGTH = 60;

/** Problems that are told at once. One mistake in a template is made a thousand times. */
const MAX_TOLD = 100;

/** Names among which the nearest one is looked for: it takes a while for each. */
const MAX_COMPARED = 1_000;

/** Known names that are listed. */
const MAX_LISTED = 50;

/** Every issue of zod as a problem, with the value that breaks the rule taken from `input`. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], input: unknown): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => unknownKey(issue.path, key));
    }
    const path = formatPath(issue.path);
    if (issue.code === "invalid_key") {
      return [{ path, message: issue.issues.map(({ message }) => message).join(", ") }];
    }
    const value = valueAt(input, issue.path);
    // The kind of a list or a mapping is told where that is what is wrong.
    const isKind = typeof value !== "object" || issue.code === "invalid_type";
    return [{ path, message: `${ruleOf(issue)}${isKind ? isValue(path, value) : ""}` }];
  });
}

/**
 * @param nameOf what a problem's path is called by whoever made `source`
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` with the first hundred of `problems`, when there are any.
 */
export function refuse(
  source: string,
  problems: readonly Problem[],
  nameOf: (path: string) => string = (path) => path,
): void {
  if (problems.length === 0) return;
  // A key may hold anything, line breaks too.
  const lines = problems
    .slice(0, MAX_TOLD)
    .map(({ path, message }) =>
      `${nameOf(path)} ${message}`.trimStart().replaceAll(/\p{Cc}/gu, "\u{fffd}"),
    );
  const [only] = lines;
  const more = problems.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  const message =
    problems.length === 1
      ? `${source}: ${only}`
      : `${source} has ${problems.length} problems:\n${lines.map((line) => `  ${line}`).join("\n")}`;
  throw new CrossroleError("ERR_CONFIG_INVALID", message);
}

/** `, is 60`: the value as JSON, cut short; nothing for what is absent or might be a secret. */
function isValue(path: string, value: unknown): string {
  if (value === undefined || UNSPOKEN.test(path)) return "";
  // Whatever is in it may be a secret under a key of its own.
  if (typeof value === "object" && value !== null)
    return Array.isArray(value) ? ", is a list" : ", is a mapping";
  const json = JSON.stringify(value) ?? "";
  if (SECRET_URL.test(json)) return "";
  return `, is ${json.length > MAX_VALUE_LENGTH ? `${json.slice(0, MAX_VALUE_LENGTH)}…` : json}`;
}

/** ` (did you mean "region"?)`, or what is known when nothing of it is near enough to `word`. */
export function hintFor(word: string, known: readonly string[]): string {
  const [nearest] = known
    .slice(0, MAX_COMPARED)
    .map((name) => ({ name, distance: editDistance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 3))
    .toSorted((a, b) => a.distance - b.distance);
  if (nearest !== undefined) return ` (did you mean "${nearest.name}"?)`;
  const more = known.length > MAX_LISTED ? ` and ${known.length - MAX_LISTED} more` : "";
  return `; known are ${known.slice(0, MAX_LISTED).join(", ") || "none"}${more}`;
}

function unknownKey(path: Path, key: string): Problem {
  return {
    path: formatPath([...path, key]),
    get message() {
      return `is not a known key${hintFor(key, knownKeys(path))}`;
    },
  };
}

/** The keys that the schema knows at `path`: a record's entries and a list's items count as one. */
function knownKeys(path: Path): string[] {
  let node: unknown = jsonSchema();
  for (const part of path) node = child(node, part);
  return Object.keys(field(objectOf(node), "properties") ?? {});
}

function child(node: unknown, part: PropertyKey): unknown {
  const object = objectOf(node);
  if (typeof part === "number") return field(object, "items");
  return field(field(object, "properties"), String(part)) ?? field(object, "additionalProperties");
}

/** The object among the alternatives: a hop may be written as text or as an object. */
function objectOf(node: unknown): unknown {
  const options = field(node, "anyOf");
  if (!Array.isArray(options)) return node;
  return options.find((option) => field(option, "properties") !== undefined);
}

function field(node: unknown, name: string): object | undefined {
  if (typeof node !== "object" || node === null || !Object.hasOwn(node, name)) return undefined;
  const value: unknown = Reflect.get(node, name);
  return typeof value === "object" && value !== null ? value : undefined;
}

function ruleOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "custom" || issue.message.startsWith("must")) return issue.message;
  if (issue.code !== "invalid_type") return `must be otherwise (${issue.message})`;
  const nouns: Readonly<Record<string, string>> = {
    object: "a mapping",
    record: "a mapping",
    array: "a list",
    nonoptional: "given",
  };
  return `must be ${nouns[issue.expected] ?? `a ${issue.expected}`}`;
}

function formatPath(path: Path): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("")
    .replace(/^\./, "");
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const part of path) {
    // A hop may be written as its ARN alone.
    if (typeof value === "string") return value;
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitute));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
