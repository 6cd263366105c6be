/** @module A role: its state, its chain across accounts as a picture, and who holds its credentials. */
import type { JSXNode } from "hono/jsx";
import type { FailureStatus, HeldStatus, RoleStatus, StepStatus } from "../status.ts";
import { ago, duration, secondsBetween } from "../words.ts";
import { badge, code, h, hidden, mark, meter, moment, table, TONES } from "./elements.ts";
import type { Node, Tone } from "./elements.ts";

export function roleCard(role: RoleStatus, now: string): JSXNode {
  const id = `role-${role.name}`;
  const held = role.chain.at(-1)?.held;
  return h(
    "article",
    { class: `card role ${TONES[role.state]}`, "aria-labelledby": id },
    h(
      "div",
      { class: "card-head" },
      h("h3", { id }, role.name),
      role.servedAt.length === 0 ? unservedBadge(role) : badge(role.state),
      h("p", { class: "arn" }, code(role.arn)),
    ),
    held === undefined ? "" : lifeMeter(`Life left of ${role.name}`, TONES[role.state], held),
    role.failure === undefined ? "" : failureNote(role.failure, now),
    chainPicture(role, now),
    facts(role, held, now),
    callers(role, now),
  );
}

/** Life left, with a tick where the renewal is due. */
export function lifeMeter(label: string, tone: Tone, held: HeldStatus): Node {
  const { remainingSeconds, lifeSeconds, renewsInSeconds } = held;
  if (remainingSeconds === undefined || lifeSeconds === undefined) return "does not expire";
  return meter({
    label,
    tone,
    value: remainingSeconds,
    max: lifeSeconds,
    text: `${duration(remainingSeconds)} left`,
    tick: remainingSeconds - renewsInSeconds,
  });
}

function unservedBadge({ chain }: RoleStatus): JSXNode {
  const isOfPods = chain[0]?.kind === "pod";
  return h(
    "span",
    { class: "badge quiet" },
    mark("quiet"),
    isOfPods ? "for pods" : "on no listener",
  );
}

function failureNote({ code: name, message, at, retryInSeconds }: FailureStatus, now: string) {
  const next = retryInSeconds > 0 ? `, next try in ${duration(retryInSeconds)}` : "";
  return h(
    "div",
    { class: "failure" },
    h("p", { class: "failure-head" }, h("strong", {}, "Last error"), " ", code(name)),
    h("p", {}, message),
    h("p", { class: "faint" }, moment(at, ago(at, now)), next),
  );
}

/** Lanes are accounts; in each are the roles that are assumed there, one after the other. */
function chainPicture(role: RoleStatus, now: string): JSXNode {
  const lanes = lanesOf(role.chain);
  // What stands behind a step that failed has failed with it: one is to blame.
  const culprit = role.chain.find(({ failure }) => failure !== undefined);
  const isFirstOfPod = (step: StepStatus) =>
    role.chain[1] === step && role.chain[0]?.kind === "pod";
  return h(
    "div",
    { class: "chain", role: "group", "aria-label": `How ${role.name} is reached` },
    h(
      "ol",
      { class: "lanes" },
      ...lanes.map(({ title, steps }) =>
        h(
          "li",
          { class: "lane" },
          h("p", { class: "lane-name" }, title),
          h(
            "ol",
            { class: "steps" },
            ...steps.map((step) =>
              stepBox(
                step,
                isFirstOfPod(step) ? "AssumeRoleWithWebIdentity" : KIND_WORDS[step.kind],
                step === culprit ? `failed ${ago(culprit.failure?.at ?? now, now)}` : undefined,
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

interface Lane {
  readonly title: string;
  readonly steps: StepStatus[];
}

function lanesOf(chain: readonly StepStatus[]): Lane[] {
  const lanes: Lane[] = [];
  for (const step of chain) {
    const title = laneTitle(step);
    const last = lanes.at(-1);
    if (last?.title === title) last.steps.push(step);
    else lanes.push({ title, steps: [step] });
  }
  return lanes;
}

function laneTitle({ kind, account }: StepStatus): string {
  if (account !== undefined) return `Account ${account}`;
  return kind === "pod" ? "Cluster" : "Base credentials";
}

function stepBox(step: StepStatus, call: string, failed: string | undefined): JSXNode {
  const { kind, name, detail, hasExternalId, held } = step;
  const tone = held === undefined ? "bad" : "warning";
  return h(
    "li",
    { class: failed === undefined ? `step ${kind}` : `step ${kind} ${tone}` },
    h(
      "div",
      { class: "box" },
      h("span", { class: "step-kind" }, call, hasExternalId ? ", external id" : ""),
      h("strong", { class: "step-name", title: detail }, name),
      kind === "role" ? "" : h("span", { class: "faint" }, detail),
      held === undefined ? "" : h("span", { class: "key" }, code(held.accessKeyId)),
      h("span", { class: "faint" }, lifeWords(step)),
      failed === undefined ? "" : h("span", { class: "step-failed" }, mark(tone), failed),
    ),
  );
}

const KIND_WORDS = { base: "signs with", pod: "shows", role: "AssumeRole" } as const;

function lifeWords({ held, kind, sessionName }: StepStatus): string {
  if (held === undefined) {
    if (kind === "pod") return "made for each call";
    // Of a role that no listener has by name it is not known here whose sessions there are.
    return kind === "role" && sessionName === undefined ? "no session of its own" : "nothing held";
  }
  const { remainingSeconds } = held;
  return remainingSeconds === undefined ? "does not expire" : `${duration(remainingSeconds)} left`;
}

function facts({ chain, servedAt }: RoleStatus, held: HeldStatus | undefined, now: string) {
  const sessionName = chain.at(-1)?.sessionName;
  if (sessionName === undefined && servedAt.length === 0) return "";
  return h(
    "dl",
    { class: "facts" },
    ...(held === undefined ? [] : heldFacts(held, now).map(([name, value]) => fact(name, value))),
    sessionName === undefined ? "" : fact("Session name", code(sessionName)),
    servedAt.length === 0 ? "" : fact("Answers at", ...servedAt.map((url) => code(url))),
  );
}

function fact(name: string, ...value: readonly Node[]): JSXNode {
  return h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
}

function heldFacts(held: HeldStatus, now: string): [string, Node][] {
  const { obtainedAt, renewsInSeconds, accessKeyId, stsRequestId } = held;
  const life = duration(secondsBetween(obtainedAt, now));
  const next = renewsInSeconds > 0 ? `in ${duration(renewsInSeconds)}` : "due now";
  return [
    ["Last renewal", moment(obtainedAt, life === "0 s" ? "just now" : `${life} ago`)],
    ["Next renewal", next],
    ["Access key id", code(accessKeyId)],
    ...(stsRequestId === undefined
      ? []
      : [["STS request id", code(stsRequestId)] satisfies [string, Node]]),
  ];
}

/** A role on a busy host has as many callers as that has users; on a page the last ones are enough. */
const MAX_CALLERS = 10;

function callers({ name, callers: all, servedAt }: RoleStatus, now: string): Node {
  if (servedAt.length === 0 && all.length === 0) return "";
  if (all.length === 0) return h("p", { class: "faint" }, "Nobody has asked for it yet.");
  const more = all.length - MAX_CALLERS;
  return h(
    "div",
    { class: "callers" },
    table({
      caption: `Who holds credentials of ${name}`,
      heads: ["Caller", "Access key id", "Handed out"],
      rows: all.slice(0, MAX_CALLERS).map(({ caller, pod, accessKeyId, since }) => ({
        cells: [pod ?? callerWords(caller), code(accessKeyId), moment(since, ago(since, now))],
      })),
    }),
    more > 0 ? h("p", { class: "faint" }, `and ${more} more`, hidden(" callers")) : "",
  );
}

function callerWords(caller: string): string {
  return caller.replace(/^uid:/, "user ").replace(/^pod:/, "pod ");
}
