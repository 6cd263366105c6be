/** @module What a namespace permits its pods: kube2iam's and our list of globs, kiam's regular expression. */
import { expressionOf } from "./expression.ts";
import { fitsGlob } from "./glob.ts";

/** What an annotation may have: whoever owns a namespace writes it, and every pod in it pays. */
const MAX_LIST = 8_192;
const MAX_ENTRIES = 200;
const MAX_ENTRY = 2_048;
const MAX_PATTERN = 1_024;

export interface Permitted {
  readonly ok: boolean;
  readonly why: string;
}

/**
 * Whether `glob` fits one of `names`: an ARN only where it begins as one, a name only where it does
 * not. `*-reader` is meant for names, and would else allow every account's role that ends so. `*` is
 * everything.
 */
export function fitsRole(glob: string, names: readonly string[]): boolean {
  return names.some(
    (name) =>
      (glob === "*" || name.startsWith("arn:") === glob.startsWith("arn:")) && fitsGlob(glob, name),
  );
}

/** As kube2iam has it: over the ARN too, however the glob begins. */
export function fitsAny(glob: string, names: readonly string[]): boolean {
  return names.some((name) => fitsGlob(glob, name));
}

/** A JSON array of globs, of which one must fit one of `names` as a whole, in the way of `fits`. */
export function permittedByList(
  list: string | undefined,
  names: readonly string[],
  fits: typeof fitsRole,
): Permitted {
  if (list === undefined) return { ok: false, why: "the annotation is absent" };
  if (list.length > MAX_LIST) return { ok: false, why: "the annotation is longer than 8 KiB" };
  const globs = parsedList(list);
  if (globs === undefined) return { ok: false, why: "the annotation is no JSON array of texts" };
  if (globs.length > MAX_ENTRIES || globs.some(({ length }) => length > MAX_ENTRY)) {
    return {
      ok: false,
      why: "the annotation has more than 200 patterns, or one of more than 2048",
    };
  }
  const ok = globs.some((glob) => fits(glob, names));
  return { ok, why: ok ? "a pattern fits" : "no pattern fits" };
}

/**
 * kiam's regular expression over the role as it is written or its ARN; anchored, unless the
 * configuration asks for kiam's old way. None permits nothing, as in kiam.
 */
export function permittedByKiam(
  pattern: string | undefined,
  arn: string,
  written: string,
  unanchored: boolean,
): Permitted {
  if (pattern === undefined || pattern === "") {
    return { ok: false, why: "the annotation is absent" };
  }
  if (pattern.length > MAX_PATTERN) return { ok: false, why: "the pattern is too long" };
  // By itself: put between ^(?: and )$ as text, `dev)|(zzz` would undo both.
  const expression = expressionOf(pattern);
  if (expression === undefined) {
    return { ok: false, why: "the pattern is no regular expression, or one that is not supported" };
  }
  const where = unanchored ? "anywhere" : "whole";
  const ok = expression(arn, where) || expression(written, where);
  return { ok, why: ok ? "the pattern fits" : "the pattern does not fit" };
}

function parsedList(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((part) => typeof part === "string")
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}
