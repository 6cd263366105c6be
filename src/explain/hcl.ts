/** @module Values in HashiCorp's language, in the form that `terraform fmt` leaves alone. */

/** What stands in the file as it is, such as a reference to another resource: not a string. */
export class Expression {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/**
 * `value` as an expression. Objects and lists of objects have a line for each entry; the signs of
 * assignment of lines that follow each other stand below each other.
 *
 * @param indent spaces before the closing bracket
 * @see https://developer.hashicorp.com/terraform/language/syntax/style
 */
export function hclOf(value: unknown, indent = 0): string {
  if (value instanceof Expression) return value.text;
  if (Array.isArray(value)) return listOf(value, indent);
  if (typeof value === "object" && value !== null) {
    return `{\n${attributesOf(Object.entries(value), indent + 2)}\n${" ".repeat(indent)}}`;
  }
  return typeof value === "string" ? quoted(value) : String(value);
}

/** `name = value` lines, each behind `indent` spaces. */
export function attributesOf(entries: readonly (readonly [string, unknown])[], indent = 0): string {
  const lines = entries.map(([name, value]) => ({
    name: IDENTIFIER.test(name) ? name : quoted(name),
    text: hclOf(value, indent),
  }));
  return lines
    .map(({ name, text }, index) => {
      const width = Math.max(...group(lines, index).map((line) => line.name.length));
      const padded = text.includes("\n") ? name : name.padEnd(width);
      return `${" ".repeat(indent)}${padded} = ${text}`;
    })
    .join("\n");
}

/** The lines around the one at `index` that are aligned with it: what has lines of its own is not. */
function group<Line extends { readonly text: string }>(
  lines: readonly Line[],
  index: number,
): readonly Line[] {
  const isBreak = ({ text }: Line) => text.includes("\n");
  const first = lines.slice(0, index).findLastIndex(isBreak) + 1;
  const next = lines.findIndex((line, at) => at >= index && isBreak(line));
  return lines.slice(first, next === -1 ? undefined : next);
}

function listOf(values: readonly unknown[], indent: number): string {
  const isFlat = values.every((value) => typeof value !== "object" || value instanceof Expression);
  const items = values.map((value) => hclOf(value, indent + 2));
  const inline = `[${items.join(", ")}]`;
  if (values.length === 0 || (isFlat && inline.length <= MAX_INLINE_LENGTH)) return inline;
  const lines = items.map((item) => `${" ".repeat(indent + 2)}${item},`);
  return `[\n${lines.join("\n")}\n${" ".repeat(indent)}]`;
}

const MAX_INLINE_LENGTH = 80;

/** Neither a template nor an escape: what is in it stands for itself. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/[$%](?=\{)/g, (sign) => sign + sign);
}
