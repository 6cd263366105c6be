/** @module How `--help` shows examples. */

/** Text for the end of a command's help: each example on a line of its own. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}
