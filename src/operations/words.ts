/** @module Times and states in words, the same on the page and in a terminal. */
import type { RoleState, StatusReport } from "./status.ts";

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** A length of time in its two largest units at most: `48 s`, `52 min`, `3 h 12 min`, `4 d 2 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 100) return `${whole} s`;
  if (whole < 100 * MINUTE) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < 2 * DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY, "d", HOUR, "h");
}

/** How long `then` was before `now`, both in ISO 8601. */
export function ago(then: string, now: string): string {
  const seconds = secondsBetween(then, now);
  return seconds < 3 ? "just now" : `${duration(seconds)} ago`;
}

export function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** What a state is called. */
export const STATE_WORDS = {
  ok: "served",
  failing: "renewal failing",
  down: "no credentials",
  pending: "being obtained",
  idle: "idle",
  none: "no role",
} as const satisfies Record<RoleState | "none", string>;

/** How things are, in one sentence. */
export function summaryOf({ ready, problems, roles, pods }: StatusReport): string {
  const served = roles.filter(({ servedAt }) => servedAt.length > 0);
  const fine = served.filter(({ state }) => state === "ok" || state === "idle").length;
  const parts = [
    ...(served.length === 0 ? [] : [`${fine} of ${counted(served.length, "role")} served`]),
    ...(pods === undefined ? [] : [`${counted(pods.pods.length, "pod")} known`]),
  ];
  const verdict = ready ? verdictOf(problems) : "not ready";
  return [verdict, ...parts].join(", ");
}

function verdictOf({ length }: readonly string[]): string {
  if (length === 0) return "all is well";
  return length === 1 ? "1 thing needs attention" : `${length} things need attention`;
}

function two(seconds: number, large: number, l: string, small: number, s: string): string {
  const rest = Math.floor((seconds % large) / small);
  const first = `${Math.floor(seconds / large)} ${l}`;
  return rest === 0 ? first : `${first} ${rest} ${s}`;
}
