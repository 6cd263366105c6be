/** @module What a namespace permits its pods: kube2iam's and our list of globs, kiam's regular expression. */
import { fitsGlob } from "./glob.ts";

export interface Permitted {
  readonly ok: boolean;
  readonly why: string;
}

/** A JSON array of globs, of which one must fit one of `names` as a whole. */
export function permittedByList(list: string | undefined, names: readonly string[]): Permitted {
  if (list === undefined) return { ok: false, why: "the annotation is absent" };
  const globs = parsedList(list);
  if (globs === undefined) return { ok: false, why: "the annotation is no JSON array of texts" };
  const ok = globs.some((glob) => names.some((name) => fitsGlob(glob, name)));
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
  // The owner of a namespace writes it: what could run for ever is not run at all.
  if (isCostly(pattern)) {
    return { ok: false, why: "the pattern nests repetitions: write it without" };
  }
  const expression = compiled(unanchored ? pattern : `^(?:${pattern})$`);
  if (expression === undefined) return { ok: false, why: "the pattern is no regular expression" };
  const ok = expression.test(arn) || expression.test(written);
  return { ok, why: ok ? "the pattern fits" : "the pattern does not fit" };
}

const MAX_PATTERN = 1_024;

/**
 * Go's expressions, which kiam takes, run in linear time; JavaScript's may not. A group that is
 * repeated and holds a repetition or a choice, and two stars that can take the same text side by
 * side more than twice, are what makes them slow.
 */
function isCostly(pattern: string): boolean {
  const plain = pattern.replaceAll(/\\./g, "x").replaceAll(/\[(?:[^\]])*\]/g, "x");
  if (/\([^()]*[*+{|][^()]*\)[*+{]/.test(plain) || /\([^)]*\(/.test(plain)) return true;
  return (plain.match(/[*+{]/g) ?? []).length > 3;
}

function compiled(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, "u");
  } catch {
    return undefined;
  }
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
