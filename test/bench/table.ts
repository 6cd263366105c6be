/** @module The table that is printed: a row for each thing measured, its bar, and whether it is met. */
import { availableParallelism, cpus, loadavg } from "node:os";

export interface Row {
  readonly what: string;
  readonly bare: string;
  readonly crossrole: string;
  /** crossrole's number over the bare server's, or what stands for it. */
  readonly ratio?: string;
  readonly bar?: string;
  /** Undefined for a row without a bar. */
  readonly met?: boolean;
}

const HEAD = ["", "bare node:http", "crossrole", "ratio", "bar", "met"] as const;

export function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const text = lines.map((line) =>
    line.map((cell, at) => padded(cell, widths[at] ?? 0, at)).join("  "),
  );
  text.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return `${text.map((line) => line.trimEnd()).join("\n")}\n`;
}

function cellsOf({ what, bare, crossrole, ratio = "", bar = "", met }: Row): readonly string[] {
  return [what, bare, crossrole, ratio, bar, met === undefined ? "" : met ? "yes" : "NO"];
}

/** Words stand on the left, numbers on the right. */
function padded(cell: string, width: number, column: number): string {
  return column === 0 || column === HEAD.length - 1 ? cell.padEnd(width) : cell.padStart(width);
}

/** What the numbers depend on. A machine that is busy with something else shows in its load. */
export function machineFacts(): string {
  const [load = 0] = loadavg();
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const { version, platform, arch } = process;
  return `node ${version}, ${platform} ${arch}, ${availableParallelism()} cores (${model}), load ${load.toFixed(1)}`;
}
