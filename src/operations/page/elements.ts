/**
 * @module What every part of the page is made of.
 *
 * This is Hono's own JSX, called as functions: Node runs the sources by stripping their types, and
 * that leaves JSX syntax where it is, so `.tsx` would run after a build only. What JSX gives stays:
 * every text and every attribute is escaped, and nothing here writes markup by hand.
 */
import { jsx } from "hono/jsx";
import type { Child, JSXNode } from "hono/jsx";
import { STATE_WORDS } from "../words.ts";

export type Node = JSXNode | string | undefined;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element. Attributes that are undefined are left out. */
export function h(tag: string, attributes: Attributes, ...children: readonly Child[]): JSXNode {
  return jsx(tag, attributes, ...children);
}

/** The markup of `node`. Nothing on the page is waited for. */
export function textOf(node: JSXNode): string {
  const text = node.toString();
  if (typeof text === "string") return text;
  throw new TypeError("a part of the page is a promise");
}

/** Text that a screen reader says and nobody sees. */
export function hidden(text: string): JSXNode {
  return h("span", { class: "unseen" }, text);
}

export function code(text: string): JSXNode {
  return h("code", {}, text);
}

/** A moment, as the time from then to now. */
export function moment(at: string, words: string): JSXNode {
  return h("time", { datetime: at, title: at }, words);
}

/** A state by colour, mark and word: never by colour alone. */
export function badge(state: keyof typeof STATE_WORDS): JSXNode {
  return h("span", { class: `badge ${TONES[state]}` }, mark(TONES[state]), STATE_WORDS[state]);
}

export type Tone = "good" | "warning" | "bad" | "quiet";

export const TONES = {
  ok: "good",
  failing: "warning",
  down: "bad",
  pending: "quiet",
  idle: "quiet",
  none: "quiet",
} as const satisfies Record<keyof typeof STATE_WORDS, Tone>;

/** A check mark, an exclamation mark, a cross, a ring. */
const MARKS = {
  good: "M3 8.5 6.5 12 13 4.5",
  warning: "M8 3v6M8 12.2v.6",
  bad: "M4 4l8 8M12 4l-8 8",
  quiet: "M8 4a4 4 0 1 0 .01 0",
} as const satisfies Record<Tone, string>;

export function mark(tone: Tone): JSXNode {
  return h(
    "svg",
    { class: "mark", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    h("path", { d: MARKS[tone] }),
  );
}

export interface MeterOptions {
  readonly label: string;
  readonly tone: Tone;
  readonly value: number;
  readonly max: number;
  /** What the value means. */
  readonly text: string;
  /** A line across the bar: where the next renewal is due. */
  readonly tick?: number | undefined;
}

/** A bar, and what it means beside it. Its width is an attribute: the page allows no inline style. */
export function meter({ label, tone, value, max, text, tick }: MeterOptions): JSXNode {
  const share = (part: number) =>
    `${Math.round(Math.min(1, Math.max(0, part / max)) * 1000) / 10}%`;
  const bar = h(
    "svg",
    { class: `bar ${tone}`, "aria-hidden": "true", focusable: "false" },
    h("rect", { class: "fill", width: share(value), height: "100%" }),
    tick === undefined
      ? ""
      : h("rect", { class: "tick", x: share(tick), width: "2", height: "100%" }),
  );
  return h(
    "div",
    { class: "meter" },
    h(
      "div",
      {
        role: "meter",
        "aria-label": label,
        "aria-valuemin": 0,
        "aria-valuemax": max,
        "aria-valuenow": Math.max(0, Math.min(max, value)),
        "aria-valuetext": text,
      },
      bar,
    ),
    h("span", { class: "meter-text", "aria-hidden": "true" }, text),
  );
}

export interface TableOptions {
  readonly caption: string;
  readonly heads: readonly string[];
  readonly rows: readonly Row[];
}

export interface Row {
  /** The first one is the head of the row. */
  readonly cells: readonly Child[];
  /** What is to be said of the row besides, across all of it. */
  readonly note?: string | undefined;
}

/**
 * A table that becomes a list of blocks on a narrow screen. The roles say again what the elements
 * say: a browser forgets those when a style changes how they are laid out.
 */
export function table({ caption, heads, rows }: TableOptions): JSXNode {
  const headCells = heads.map((text) => h("th", { role: "columnheader", scope: "col" }, text));
  return h(
    "table",
    { role: "table" },
    h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headCells)),
    h("tbody", { role: "rowgroup" }, ...rows.flatMap((row) => rowsOf(row, heads))),
  );
}

function rowsOf({ cells, note }: Row, heads: readonly string[]): JSXNode[] {
  const [first, ...others] = cells;
  const row = h(
    "tr",
    { role: "row" },
    h("th", { role: "rowheader", scope: "row" }, first),
    ...others.map((cell, index) => h("td", { role: "cell", "data-head": heads[index + 1] }, cell)),
  );
  if (note === undefined) return [row];
  const cell = h("td", { role: "cell", colspan: heads.length }, note);
  return [row, h("tr", { role: "row", class: "note" }, cell)];
}
