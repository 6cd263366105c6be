/** @module The last lines of the log: hand-outs, renewals, refusals. */
import type { JSXNode } from "hono/jsx";
import type { RecentLine } from "../status.ts";
import { h, hidden, mark } from "./elements.ts";
import type { Tone } from "./elements.ts";

const LEVEL_TONES = {
  debug: "quiet",
  info: "good",
  warn: "warning",
  error: "bad",
} as const satisfies Record<RecentLine["level"], Tone>;

export function activity(lines: readonly RecentLine[]): JSXNode {
  if (lines.length === 0) return h("p", { class: "faint" }, "Nothing has happened yet.");
  const label = "Recent log lines, the newest first";
  // It can be reached by the keyboard, because it scrolls.
  return h(
    "div",
    { class: "card scroll", role: "region", "aria-label": label, tabindex: 0 },
    h("ol", { class: "lines" }, ...lines.map(lineItem)),
  );
}

function lineItem({ at, level, event, fields }: RecentLine): JSXNode {
  const tone = LEVEL_TONES[level];
  return h(
    "li",
    { class: `line ${tone}` },
    h("time", { datetime: at, title: at }, at.slice(11, 19)),
    h("span", { class: "line-event" }, mark(tone), hidden(`${level}: `), event),
    h("dl", {}, ...Object.entries(fields).map(([name, value]) => field(name, String(value)))),
  );
}

function field(name: string, value: string): JSXNode {
  return h("div", {}, h("dt", {}, name), " ", h("dd", {}, value));
}
