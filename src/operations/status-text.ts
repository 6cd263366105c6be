/** @module The status of a daemon for a terminal: lines of 80 columns at most. */
import type { HeldStatus, PodStatus, RoleStatus, StatusReport, StepStatus } from "./status.ts";
import { ago, counted, duration, secondsBetween, STATE_WORDS, summaryOf } from "./words.ts";

export interface StatusLine {
  readonly text: string;
  readonly tone: "plain" | "faint" | "strong" | "good" | "warning" | "bad";
}

const COLUMNS = 80;
const NAME_COLUMNS = 24;
const STATE_COLUMNS = 15;
const LIFE_COLUMNS = 23;
const BAR_COLUMNS = 10;

const TONES = {
  ok: "good",
  failing: "warning",
  down: "bad",
  pending: "plain",
  idle: "plain",
  none: "faint",
} as const satisfies Record<PodStatus["state"], StatusLine["tone"]>;

export function statusLines(report: StatusReport): StatusLine[] {
  const { version, host, problems, configuration, roles, pods, time } = report;
  const refused = configuration.refused?.reason.split("\n") ?? [];
  return [
    ...wrapped(`crossrole ${version} on ${host}: ${summaryOf(report)}`, "", "strong"),
    ...wrapped(factsOf(report), "", "faint"),
    ...problems.flatMap((line) => wrapped(`! ${line}`, "  ", "warning")),
    ...refused.flatMap((line) => wrapped(line, "  ", "plain")),
    blank(),
    row("ROLE", "STATE", "LIFE LEFT", "RENEWED", "faint"),
    ...roles.flatMap((role) => roleLines(role, time)),
    ...(pods === undefined
      ? []
      : [
          blank(),
          row("POD", "STATE", "LIFE LEFT", "ROLE", "faint"),
          ...pods.pods.flatMap((pod) => podLines(pod)),
        ]),
  ];
}

function factsOf({ startedAt, time, configuration, sts, clockSkewSeconds }: StatusReport): string {
  const { takenOverAt } = configuration;
  const skew = clockSkewSeconds === 0 ? [] : [`clock off by ${clockSkewSeconds} s`];
  return [
    `up ${duration(secondsBetween(startedAt, time))}`,
    `configuration in force since ${ago(takenOverAt, time)}`,
    `${counted(sts.calls, "call")} to STS, ${sts.failedCalls} failed, ${sts.savedCalls} saved`,
    ...skew,
  ].join("; ");
}

function roleLines(role: RoleStatus, time: string): StatusLine[] {
  const { name, state, servedAt, chain, failure, callers } = role;
  const held = chain.at(-1)?.held;
  const isServed = servedAt.length > 0;
  const renewed = held === undefined ? "" : ago(held.obtainedAt, time);
  const who = callers.map(({ pod, caller }) => pod ?? caller);
  const key = held === undefined ? [] : [held.accessKeyId];
  return [
    row(
      name,
      isServed ? STATE_WORDS[state] : chain[0]?.kind === "pod" ? "for pods" : "not served",
      lifeOf(held),
      renewed,
      isServed ? TONES[state] : "faint",
    ),
    ...wrapped(chain.map(stepWords).join(" > "), "  ", "faint"),
    ...wrapped([...key, ...handedTo(who)].join(", "), "  ", "faint"),
    ...(failure === undefined ? [] : wrapped(`! ${failure.message}`, "  ", TONES[state])),
  ];
}

function handedTo(who: readonly string[]): string[] {
  if (who.length === 0) return [];
  const more = who.length > 3 ? ` and ${who.length - 3} more` : "";
  return [`handed to ${who.slice(0, 3).join(", ")}${more}`];
}

function stepWords({ kind, name, account }: StepStatus): string {
  return kind === "role" ? `${account ?? ""}:${name}` : name;
}

function podLines(pod: PodStatus): StatusLine[] {
  const { namespace, name, role, state, held, failure } = pod;
  const tone = TONES[state];
  const long = `${namespace}/${name}`;
  const isLong = long.length > NAME_COLUMNS;
  return [
    ...(isLong ? wrapped(long, "", tone) : []),
    row(isLong ? "" : long, STATE_WORDS[state], lifeOf(held), role ?? "", tone),
    ...(failure === undefined ? [] : wrapped(`! ${failure.message}`, "  ", tone)),
  ];
}

function lifeOf(held: HeldStatus | undefined): string {
  if (held === undefined) return "";
  const { remainingSeconds, lifeSeconds } = held;
  if (remainingSeconds === undefined || lifeSeconds === undefined) return "does not expire";
  const filled = Math.round((remainingSeconds / Math.max(1, lifeSeconds)) * BAR_COLUMNS);
  const bar = "#".repeat(Math.min(BAR_COLUMNS, filled)).padEnd(BAR_COLUMNS, ".");
  return `[${bar}] ${duration(remainingSeconds)}`;
}

function row(
  name: string,
  state: string,
  life: string,
  last: string,
  tone: StatusLine["tone"],
): StatusLine {
  const cells = [
    fitted(name, NAME_COLUMNS),
    fitted(state, STATE_COLUMNS),
    fitted(life, LIFE_COLUMNS),
    plain(last),
  ];
  return { text: cells.join("  ").slice(0, COLUMNS).trimEnd(), tone };
}

function fitted(text: string, columns: number): string {
  const shown = plain(text);
  return shown.length > columns ? `${shown.slice(0, columns - 1)}…` : shown.padEnd(columns);
}

/** Broken at blanks where there are any; a continued line begins under the text of the first. */
function wrapped(text: string, indent: string, tone: StatusLine["tone"]): StatusLine[] {
  const lines: StatusLine[] = [];
  const hanging = text.startsWith("! ") ? `${indent}  ` : indent;
  let rest = plain(text).trimEnd();
  while (rest !== "") {
    const start = lines.length === 0 ? indent : hanging;
    const room = COLUMNS - start.length;
    const blankAt = rest.length > room ? rest.lastIndexOf(" ", room) : rest.length;
    const end = blankAt > room / 2 ? blankAt : room;
    lines.push({ text: start + rest.slice(0, end), tone });
    rest = rest.slice(end).trimStart();
  }
  return lines;
}

/** What steers a terminal, or hides what stands beside it, is shown as a question mark. */
function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "?");
}

function blank(): StatusLine {
  return { text: "", tone: "plain" };
}
