/** @module The text of a configuration file, as values. What is no YAML is refused with its line. */
import { LineCounter, isNode, isScalar, parseDocument, visit } from "yaml";
import type { Document, Pair } from "yaml";
import { CrossroleError } from "../errors.ts";
import { refuse } from "./problems.ts";
import type { Problem } from "./problems.ts";

/** Aliases in a file. Each is looked for among all anchors: many take long. */
const MAX_ALIASES = 1_000;

/** A fault, and where in the text it is. */
interface Fault {
  readonly offset: number;
  readonly message: string;
}

/**
 * The values that `text` stands for.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` with the line of each fault.
 */
export function parseYaml(path: string, text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    prettyErrors: true,
    logLevel: "error",
    lineCounter: lines,
    // The library compares each key with all keys before it: minutes for a hundred thousand roles.
    uniqueKeys: false,
  });
  // Such a message quotes the line it speaks of, and that line may hold a secret.
  const faults = [...document.errors, ...document.warnings].map(({ message, pos }): Fault => {
    return { offset: pos[0], message: (message.split("\n")[0] ?? "").replace(/:$/, "") };
  });
  const problems = [...faults, ...duplicateKeys(document, lines)]
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ message }): Problem => ({ path: "", message }));
  refuse(path, problems);
  const value = resolveAliases(path, document);
  if (value !== null) return value;
  throw new CrossroleError("ERR_CONFIG_INVALID", `${path}: is empty; it needs at least roles`);
}

function duplicateKeys(document: Document.Parsed, lines: LineCounter): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const value = isScalar(key) ? key.value : key;
        if (seen.has(value)) faults.push(duplicateAt(key, lines));
        seen.add(value);
      }
    },
  });
  return faults;
}

function duplicateAt(key: Pair["key"], lines: LineCounter): Fault {
  const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0;
  const { line, col } = lines.linePos(offset);
  return { offset, message: `Map keys must be unique at line ${line}, column ${col}` };
}

function resolveAliases(path: string, document: Document.Parsed): unknown {
  let aliases = 0;
  visit(document, { Alias: () => void aliases++ });
  if (aliases > MAX_ALIASES) refuse(path, [{ path: "", message: TOO_MANY_ALIASES }]);
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    // An alias inside its own anchor has no end, and JSON is the judge of that.
    JSON.stringify(value);
    return value;
  } catch (error) {
    const reason = error instanceof ReferenceError ? error.message : "an alias holds itself";
    throw new CrossroleError("ERR_CONFIG_INVALID", `${path}: ${reason}`, { cause: error });
  }
}

const TOO_MANY_ALIASES = `must have at most ${MAX_ALIASES} aliases`;
