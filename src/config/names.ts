/** @module Names that must be there. */
import { didYouMean } from "./problems.ts";
import type { Problem } from "./problems.ts";

/** What is wrong with `name` at `path`, which must be one of `known`; with the nearest one. */
export function checkName(
  path: string,
  name: string | undefined,
  known: Readonly<Record<string, unknown>>,
  noun: string,
): Problem[] {
  if (name === undefined || Object.hasOwn(known, name)) return [];
  const near = didYouMean(name, Object.keys(known));
  const all = near === "" ? `; known are ${Object.keys(known).join(", ") || "none"}` : near;
  return [{ path, message: `must name a ${noun}, is ${JSON.stringify(name)}${all}` }];
}
