/** @module Lines of the log for people: on a terminal only, what reads a pipe gets JSON. */
import { styleText } from "node:util";
import type { DestinationStream } from "pino";

interface Terminal {
  readonly write: (text: string) => unknown;
  readonly hasColours: boolean;
}

const LEVELS: ReadonlyMap<unknown, "dim" | "green" | "yellow" | "red"> = new Map([
  ["debug", "dim"],
  ["info", "green"],
  ["warn", "yellow"],
  ["error", "red"],
] as const);

/** Where a log writes its lines of JSON, to be read by somebody. */
export function prettyOn(terminal: Terminal): DestinationStream {
  return { write: (line) => void terminal.write(`${prettyLine(line, terminal.hasColours)}\n`) };
}

/**
 * `15:12:21 WARN  request refused  listener=127.0.0.1:9911 reason="the request has no Host"`, of one
 * line of JSON. Whatever steers a terminal is escaped: a caller writes part of what is logged.
 */
export function prettyLine(json: string, hasColours: boolean): string {
  const { time, level, msg, ...fields } = objectIn(json);
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    hasColours ? styleText(style, text, { validateStream: false }) : text;
  const at = new Date(String(time)).toTimeString().slice(0, 8);
  const name = String(level).toUpperCase().padEnd(5);
  const more = Object.entries(fields).map(
    ([key, value]) => `${paint("dim", `${key}=`)}${valueText(value)}`,
  );
  const head = `${paint("dim", at)} ${paint(LEVELS.get(level) ?? "reset", name)} ${escaped(String(msg))}`;
  return more.length === 0 ? head : `${head}  ${more.join(" ")}`;
}

function objectIn(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json);
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** As it is where that is plain, else in quotes. */
function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[\w@%+:,./*[\]-]+$/.test(text)
    ? text
    : `"${escaped(text.replaceAll(/["\\]/g, "\\$&"))}"`;
}

/** Nothing that a terminal obeys, and nothing that hides what stands beside it. */
function escaped(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => {
    return `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
