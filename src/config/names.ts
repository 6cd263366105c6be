/** @module Names that must be there. */
import { hintFor } from "./problems.ts";
import type { Problem } from "./problems.ts";

/** What is wrong with `name` at `path`, which must be one of `known`; with the nearest one. */
export function checkName(
  path: string,
  name: string | undefined,
  known: Readonly<Record<string, unknown>>,
  noun: string,
): Problem[] {
  if (name === undefined || Object.hasOwn(known, name)) return [];
  return [
    {
      path,
      get message() {
        const hint = hintFor(name, Object.keys(known));
        return `must name a ${noun}, is ${JSON.stringify(name)}${hint}`;
      },
    },
  ];
}
