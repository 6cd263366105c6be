/** @module The last lines of the log, for whoever looks at the page. */
import type { Log, LogFields } from "../log.ts";
import type { RecentLine } from "./status.ts";

/** Of each kind: a flood of refusals pushes out no hand-out. */
const MAX_LINES = 25;

/** A log that writes to `log`, and keeps its last lines whatever its level lets through. */
export class RecentLines {
  readonly log: Log;
  readonly #refusals: RecentLine[] = [];
  readonly #others: RecentLine[] = [];

  constructor(log: Log, now: () => number) {
    const line =
      (level: RecentLine["level"]): Log[typeof level] =>
      (event, fields = {}) => {
        log[level](event, fields);
        if (level === "debug") return;
        const at = new Date(now()).toISOString();
        this.#keep({ at, level, event, fields: definedIn(fields) });
      };
    this.log = {
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
    };
  }

  /** The newest first. */
  get lines(): RecentLine[] {
    return [...this.#refusals, ...this.#others]
      .toReversed()
      .toSorted((a, b) => b.at.localeCompare(a.at));
  }

  #keep(line: RecentLine): void {
    const lines = line.event.includes("refused") ? this.#refusals : this.#others;
    lines.push(line);
    if (lines.length > MAX_LINES) lines.shift();
  }
}

/** A stack is for the log. */
function definedIn(fields: LogFields): RecentLine["fields"] {
  const kept: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && name !== "stack") kept[name] = value;
  }
  return kept;
}
