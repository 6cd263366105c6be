/** @module What is printed: a table for a person, and the same as JSON for a program. */
import { isChanged, isMet } from "./row.ts";
import type { Row } from "./row.ts";
import type { Spread } from "./statistics.ts";

/** What one measure gave. */
export interface Measured {
  readonly measure: string;
  readonly rows: readonly Row[];
  /** What was broken, when something was. */
  readonly error?: string | undefined;
}

/** With the bars, and whether they are met. */
export function table(measured: readonly Measured[]): string {
  return tableOf(measured, ["bare node:http", "crossrole", "ratio", "bar", "met"], (row) => [
    row.bar?.text ?? "",
    yesOr("NO", isMet(row)),
  ]);
}

/** With no bars, which are for the bare server, but whether a row differs from the `older` commit's. */
export function comparison(measured: readonly Measured[], older: string): string {
  return tableOf(measured, [older, "this tree", "new/old", "", "changed"], (row) => [
    "",
    yesOr("", isChanged(row)),
  ]);
}

function yesOr(no: string, answer: boolean | undefined): string {
  if (answer === undefined) return "";
  return answer ? "yes" : no;
}

type Verdict = (row: Row) => readonly string[];

function tableOf(
  measured: readonly Measured[],
  columns: readonly string[],
  verdict: Verdict,
): string {
  const head = ["", "unit", ...columns];
  const lines = [
    head,
    ...measured.flatMap(({ rows }) => rows).map((row) => [...cellsOf(row), ...verdict(row)]),
  ];
  const widths = head.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const text = lines.map((line) =>
    line.map((cell, at) => padded(cell, widths[at] ?? 0, at)).join("  "),
  );
  text.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return `${text.map((line) => line.trimEnd()).join("\n")}\n`;
}

function cellsOf({ what, unit, digits, base, ours, ratio }: Row): readonly string[] {
  return [
    what,
    unit,
    base === undefined ? "" : shown(base, digits),
    shown(ours, digits),
    ratio === undefined ? "" : shown(ratio, 2),
  ];
}

/** The median, and the middle half in brackets where it is wider than what is printed. */
function shown({ median, low, high }: Spread, digits: number): string {
  const [middle, from, to] = [median, low, high].map((figure) => figure.toFixed(digits));
  return from === to ? String(middle) : `${middle} (${from}..${to})`;
}

const WORDS: ReadonlySet<number> = new Set([0, 1, 6]);

/** Words stand on the left, numbers on the right. */
function padded(cell: string, width: number, column: number): string {
  return WORDS.has(column) ? cell.padEnd(width) : cell.padStart(width);
}

export function json(measured: readonly Measured[], facts: object): string {
  const rows = measured.flatMap(({ measure, rows: its }) =>
    its.map((row) => ({
      measure,
      what: row.what.trim(),
      unit: row.unit,
      base: row.base ?? null,
      crossrole: row.ours,
      ratio: row.ratio ?? null,
      bar: row.bar?.text ?? null,
      met: isMet(row) ?? null,
    })),
  );
  const broken = measured.flatMap(({ measure, error }) =>
    error === undefined ? [] : [{ measure, error }],
  );
  return `${JSON.stringify({ ...facts, rows, broken }, undefined, 2)}\n`;
}
