/** @module The part of the page that lives: rendered whole at every change, and merged into the page by its script. */
import type { JSXNode } from "hono/jsx";
import type { StatusReport } from "../status.ts";
import { ago, counted, duration, secondsBetween, summaryOf } from "../words.ts";
import { activity } from "./activity.ts";
import { h, mark, moment } from "./elements.ts";
import type { Node, Tone } from "./elements.ts";
import { podsSection } from "./pods.ts";
import { roleCard } from "./role-card.ts";

export function content(report: StatusReport): JSXNode {
  const { roles, time, pods } = report;
  return h(
    "div",
    { id: "live" },
    header(report),
    h(
      "main",
      { id: "main", tabindex: "-1" },
      problems(report),
      glance(report),
      section("roles", "Roles", ...roles.map((role) => roleCard(role, time))),
      pods === undefined ? "" : section("pods", "Pods of this node", podsSection(pods, time)),
      section("activity", "Recent log lines", activity(report.recent)),
    ),
  );
}

/** How the daemon is, in one colour. */
export function toneOf({ ready, problems: { length } }: StatusReport): Tone {
  if (!ready) return "bad";
  return length === 0 ? "good" : "warning";
}

function header(report: StatusReport): JSXNode {
  const { host, version, startedAt, time } = report;
  const tone = toneOf(report);
  const words = { good: "All is well", warning: "Needs attention", bad: "Not ready", quiet: "" };
  return h(
    "header",
    { class: "top" },
    h(
      "div",
      { class: "brand" },
      logo(),
      h("h1", {}, "crossrole"),
      h(
        "p",
        { class: "faint" },
        `${version} on ${host}, up ${duration(secondsBetween(startedAt, time))}`,
      ),
    ),
    h("p", { class: `verdict ${tone}` }, mark(tone), words[tone]),
  );
}

/** Two accounts, and the way from one to the other. */
function logo(): JSXNode {
  return h(
    "svg",
    { class: "logo", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    h("rect", { x: "2", y: "6", width: "12", height: "20", rx: "3" }),
    h("rect", { x: "18", y: "6", width: "12", height: "20", rx: "3" }),
    h("path", { d: "M8 16h15m-5-5 5 5-5 5" }),
  );
}

function problems({ problems: lines, configuration }: StatusReport): Node {
  if (lines.length === 0) return "";
  const { refused } = configuration;
  return h(
    "section",
    { class: "problems", "aria-labelledby": "problems" },
    h("h2", { id: "problems" }, "What needs attention"),
    h("ul", {}, ...lines.map((line) => h("li", {}, line))),
    refused === undefined ? "" : h("pre", {}, refused.reason),
  );
}

/** The figures that answer the first questions. */
function glance(report: StatusReport): JSXNode {
  const { sts, configuration, time } = report;
  const { takenOverAt, refused } = configuration;
  return h(
    "section",
    { "aria-label": "At a glance" },
    h(
      "dl",
      { class: "tiles" },
      tile(...servedTile(report)),
      tile("Next renewal", ...nextRenewal(report)),
      tile(
        "Calls to STS",
        sts.calls.toLocaleString("en"),
        sts.failedCalls === 0 ? "none failed" : `${sts.failedCalls.toLocaleString("en")} failed`,
      ),
      tile("Calls saved", sts.savedCalls.toLocaleString("en"), "answered from memory"),
      refused === undefined
        ? tile("Configuration", "in force", moment(takenOverAt, `since ${ago(takenOverAt, time)}`))
        : tile(
            "Configuration",
            "refused",
            moment(refused.at, `a change, ${ago(refused.at, time)}`),
          ),
      tile("Clock", ...clockWords(report.clockSkewSeconds)),
    ),
  );
}

function tile(name: string, value: Node, more: Node): JSXNode {
  return h(
    "div",
    { class: "tile" },
    h("dt", {}, name),
    h("dd", {}, h("strong", {}, value), " ", more),
  );
}

function servedTile({ roles, pods }: StatusReport): [string, string, string] {
  const served = roles.filter(({ servedAt }) => servedAt.length > 0);
  if (served.length === 0 && pods !== undefined) {
    const all = pods.pods;
    const fine = all.filter(({ state }) => state === "ok" || state === "idle").length;
    const withRole = all.filter(({ state }) => state !== "none").length;
    return ["Pods served", `${fine} of ${withRole}`, `${counted(all.length, "pod")} known`];
  }
  const fine = served.filter(({ state }) => state !== "down" && state !== "pending").length;
  return ["Roles served", `${fine} of ${served.length}`, "by valid sessions"];
}

function nextRenewal({ roles, pods }: StatusReport): [string, string] {
  const held = [
    ...roles.flatMap(({ name, chain }) => ({ name, state: chain.at(-1)?.held })),
    ...(pods?.pods.map(({ name, held: state }) => ({ name, state })) ?? []),
  ];
  const [next] = held
    .flatMap(({ name, state }) => (state === undefined ? [] : { name, in: state.renewsInSeconds }))
    .toSorted((a, b) => a.in - b.in);
  if (next === undefined) return ["none", "nothing is held"];
  return [next.in > 0 ? `in ${duration(next.in)}` : "now", next.name];
}

function clockWords(skewSeconds: number): [string, string] {
  if (skewSeconds === 0) return ["in step", "with STS's"];
  const way = skewSeconds > 0 ? "behind" : "ahead of";
  return [`${duration(Math.abs(skewSeconds))} ${way}`, "STS's; corrected for"];
}

function section(id: string, title: string, ...children: readonly Node[]): JSXNode {
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

/** For whoever cannot see the page change. */
export function announcement(report: StatusReport): string {
  return `${summaryOf(report)}${report.problems.length === 0 ? "" : `: ${report.problems.join("; ")}`}`;
}
