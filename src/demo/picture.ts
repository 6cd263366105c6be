/** @module The picture that the demo draws: events as lines, and the state of things as one line. */
import { BASE_KEY, SESSION_SECONDS } from "./demo-sts.ts";
import { GATEWAY, READER } from "./events.ts";
import type { DemoEvent } from "./events.ts";
import type { Tally } from "./tally.ts";

export interface Line {
  readonly text: string;
  readonly tone: "plain" | "faint" | "strong" | "good" | "warning" | "bad";
}

/** Who assumes what. No line is wider than 80 columns. */
export function header(): Line[] {
  return [
    strong("crossrole demo: all of it on this machine, no AWS account"),
    plain(""),
    plain(`  base credentials   ${BASE_KEY.accessKeyId}, a user of account 111111111111`),
    faint("        |  AssumeRole"),
    plain(`  ${GATEWAY.name}            ${GATEWAY.arn}`),
    faint(`        |  AssumeRole: ${READER.name} trusts the gateway and nobody else`),
    plain(`  ${READER.name}      ${READER.arn}`),
    faint("        |  crossrole serve, as a metadata service on loopback"),
    plain("  app                an unmodified AWS SDK client, one request a second"),
    plain(""),
    plain(
      `Sessions live ${SESSION_SECONDS} s here instead of an hour; crossrole renews them at half.`,
    ),
    plain(""),
  ];
}

/** The line of an event; `before` is the tally without it. Undefined for what is not worth one. */
export function lineOf(event: DemoEvent, before: Tally): Line | undefined {
  const line = (who: string, what: string) =>
    `${clock(event.atMs, before)}${who.padEnd(15)}${what}`;
  switch (event.type) {
    case "serving": {
      const what = `AWS_EC2_METADATA_SERVICE_ENDPOINT=${event.endpoint}`;
      return plain(line("crossrole", what));
    }
    case "obtained": {
      const known = before.held.get(event.role)?.accessKeyId;
      if (known === undefined) return good(line(event.role, `obtained: ${event.accessKeyId}`));
      return good(line(event.role, `renewed: ${known} -> ${event.accessKeyId}`));
    }
    case "renewalFailed": {
      const what = `not renewed: held one good for ${event.remainingSeconds} s, next try in ${event.retryInSeconds} s`;
      return warning(line(event.role, what));
    }
    case "said":
      return warning(line("crossrole", event.text));
    case "requested":
      return requestLine(event, before, line);
    case "requestFailed":
      return bad(line("app", `${`#${before.requests + 1}`.padEnd(4)} failed: ${event.error}`));
    case "stsDown":
      return bad(line("STS", "is down"));
    case "stsBack": {
      const downMs = event.atMs - (before.downSinceMs ?? event.atMs);
      return good(line("STS", `is back after ${(downMs / 1000).toFixed(1)} s`));
    }
    case "refused":
      return bad(line("service", `refused ${event.accessKeyId}: ${event.code}`));
    case "stsAsked":
      return undefined;
  }
}

function requestLine(
  { account, accessKeyId, atMs }: Extract<DemoEvent, { type: "requested" }>,
  before: Tally,
  line: (who: string, what: string) => string,
): Line {
  const number = `#${before.requests + 1}`.padEnd(4);
  const left = `${secondsLeft(before, accessKeyId, atMs)} s left`;
  const text = line("app", `${number} ok  ${account}  ${accessKeyId}  ${left}`);
  return before.generations.at(-1) === accessKeyId ? faint(text) : plain(text);
}

/** Whether the application signs with an access key id that it has not used before. */
export function isNewKey(event: DemoEvent, before: Tally): boolean {
  return event.type === "requested" && !before.generations.includes(event.accessKeyId);
}

const BAR_WIDTH = 10;

/** The state of things, for a line that is drawn over and over. At most 80 columns. */
export function statusLine(tally: Tally, nowMs: number): Line {
  const accessKeyId = tally.generations.at(-1);
  if (accessKeyId === undefined) return faint(`${clock(nowMs, tally)}starting`);
  const left = secondsLeft(tally, accessKeyId, nowMs);
  const filled = Math.min(BAR_WIDTH, Math.max(0, Math.round((left / SESSION_SECONDS) * BAR_WIDTH)));
  const bar = `[${"#".repeat(filled).padEnd(BAR_WIDTH, ".")}]`;
  const app = `app #${tally.requests}, ${tally.failedRequests} failed: ${accessKeyId} ${left} s ${bar}`;
  const text = clock(nowMs, tally) + app;
  return tally.downSinceMs === undefined ? plain(text) : warning(`${text} STS down`);
}

function secondsLeft(tally: Tally, accessKeyId: string, nowMs: number): number {
  return Math.round(((tally.expirations.get(accessKeyId) ?? nowMs) - nowMs) / 1000);
}

function clock(nowMs: number, { startedMs }: Tally): string {
  return `${((nowMs - startedMs) / 1000).toFixed(1).padStart(5)} s  `;
}

const toned =
  (tone: Line["tone"]) =>
  (text: string): Line => ({ text, tone });
const plain = toned("plain");
const faint = toned("faint");
const good = toned("good");
const warning = toned("warning");
const bad = toned("bad");
export const strong = toned("strong");
