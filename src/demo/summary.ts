/** @module What the demo promised, whether it was kept, and the numbers at its end. */
import { READER } from "./events.ts";
import type { Tally } from "./tally.ts";

const MIN_RENEWALS = 2;
const MIN_GENERATIONS = 3;

/** What was not kept, or not seen yet, each in a few words; nothing when all is well. */
export function promisesBroken(tally: Tally): string[] {
  const { requests, failedRequests, refused, renewals, failedRenewals, generations } = tally;
  const promises: readonly (readonly [isBroken: boolean, what: string])[] = [
    [failedRequests > 0, `${failedRequests} of ${requests} requests failed (${tally.lastError})`],
    [refused > 0, `the service refused ${refused} requests`],
    [renewals < MIN_RENEWALS, `${renewals} renewals of ${READER.name} instead of ${MIN_RENEWALS}`],
    [
      generations.length < MIN_GENERATIONS,
      `the app signed with ${generations.length} access key ids instead of ${MIN_GENERATIONS}`,
    ],
    [failedRenewals === 0, "no renewal failed"],
    [tally.requestsWhileDown === 0, "the app made no request while STS was down"],
    [tally.downSinceMs !== undefined, "STS is still down"],
  ];
  return promises.filter(([isBroken]) => isBroken).map(([, what]) => what);
}

export function summary(tally: Tally, nowMs: number): string[] {
  const { generations, downSinceMs } = tally;
  const downMs = tally.downMs + (downSinceMs === undefined ? 0 : nowMs - downSinceMs);
  const rows = [
    ["the app's requests", `${tally.requests}, ${tally.failedRequests} of them failed`],
    ["credentials it signed with", `${generations.length} generations`],
    [
      `renewals of ${READER.name}`,
      `${tally.renewals}, and ${tally.failedRenewals} attempts that failed`,
    ],
    ["STS calls", `${tally.stsAnswered} answered, ${tally.stsUnanswered} not`],
    ["STS was down", `${(downMs / 1000).toFixed(1)} s`],
    [
      "the app's requests meanwhile",
      `${tally.requestsWhileDown}, ${tally.failedWhileDown} of them failed`,
    ],
  ];
  return rows.map(([what = "", value = ""]) => `  ${what.padEnd(28)}  ${value}`);
}
