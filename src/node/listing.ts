/** @module What nft lists of a table, and how two listings differ. No I/O. */
import type { Chain, Table } from "./rules.ts";

/** Lines by block: `chain forward`, `counter leaks4`; what belongs to the table itself is under "". */
export type Listing = ReadonlyMap<string, readonly string[]>;

/** Reads `nft list table`. Blocks are told by their indentation: a rule may have braces of its own. */
export function parseListing(text: string): Listing {
  const blocks = new Map<string, string[]>([["", []]]);
  let block = "";
  for (const line of text.split("\n")) {
    const [, tabs = "", content = ""] = /^(\t*)(.*?)\s*$/.exec(line) ?? [];
    if (content === "" || tabs === "") continue;
    if (tabs.length > 1) blocks.get(block)?.push(content);
    else if (content === "}") block = "";
    else if (content.endsWith("{")) blocks.set((block = content.slice(0, -1).trim()), []);
    else blocks.get("")?.push(content);
  }
  return blocks;
}

/** The listing of an inert copy of `table`, with the lines that tie its chains to the kernel. */
export function withHooks(inert: Listing, { chains }: Table): Listing {
  const hooks = new Map(chains.map(({ name, hook }: Chain) => [`chain ${name}`, hook]));
  return new Map(
    [...inert].map(([block, lines]) => {
      const hook = hooks.get(block);
      return [block, hook === undefined ? lines : [hook, ...lines]];
    }),
  );
}

/** One line for each difference; none when `present` is `expected`. */
export function differencesIn(expected: Listing, present: Listing): string[] {
  const blocks = new Set([...expected.keys(), ...present.keys()]);
  return [...blocks].flatMap((block) =>
    differencesInBlock(block, expected.get(block), present.get(block)),
  );
}

function differencesInBlock(
  block: string,
  expected: readonly string[] | undefined,
  present: readonly string[] | undefined,
): string[] {
  if (expected === undefined) return [`${block} is not ours`];
  if (present === undefined) return [`${block} is gone`];
  const where = block === "" ? "the table" : block;
  const missing = without(expected, present).map((line) => `${where} lacks: ${line}`);
  const added = without(present, expected).map((line) => `${where} has what is not ours: ${line}`);
  if (missing.length > 0 || added.length > 0) return [...missing, ...added];
  const isSame = expected.every((line, index) => line === present[index]);
  return isSame ? [] : [`the rules of ${where} are in another order`];
}

/** The lines of `lines` that `others` lacks, counting each as often as it is there. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const index = left.indexOf(line);
    if (index !== -1) left.splice(index, 1);
    return index === -1;
  });
}
