/** @module What a person may say to `npm run bench --`. */
import { parseArgs } from "node:util";

export class UsageError extends Error {}

export interface Arguments {
  /** The measures, in the order in which they run. */
  readonly only: readonly string[];
  /** The file that the figures are written to. Default: none. */
  readonly json: string | undefined;
  /** The commit that this tree is compared with, instead of the bare server. */
  readonly against: string | undefined;
}

interface Known {
  readonly name: string;
  readonly hasBase: boolean;
}

/** @throws {@link UsageError} with one line that says what may be said. */
export function parseArguments(args: readonly string[], known: readonly Known[]): Arguments {
  const { json, against, only } = parsed(args);
  const possible = known.filter(({ hasBase }) => against === undefined || hasBase);
  const names = possible.map(({ name }) => name);
  const wanted = only?.split(",") ?? names;
  for (const name of wanted) {
    if (names.includes(name)) continue;
    const isKnown = known.some((one) => one.name === name);
    const why = isKnown ? "has nothing to compare with a commit" : "is no measure";
    throw new UsageError(`--only: ${JSON.stringify(name)} ${why}; there are ${names.join(", ")}`);
  }
  return { only: names.filter((name) => wanted.includes(name)), json, against };
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { only: { type: "string" }, json: { type: "string" }, against: { type: "string" } },
    });
    for (const [name, value] of Object.entries(values))
      if (value === "") throw new UsageError(`--${name} needs a value`);
    return values;
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error)) throw error;
    // Node's message goes on in a second line.
    throw new UsageError(error.message.split("\n")[0]?.replace(/\. .*$/, "") ?? "");
  }
}
