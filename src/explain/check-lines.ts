/** @module A check's report for a terminal. */
import type { BaseReport, CheckReport, Failure, RoleReport, StepReport } from "./check-report.ts";
import type { MissingStatement } from "./denial.ts";
import type { Finding } from "./finding.ts";

export function checkLines(report: CheckReport): string[] {
  const { bases, roles, findings, ok, assumed } = report;
  const isUnasked = !assumed && roles.some(({ state }) => state === "unasked");
  return [
    ...bases.flatMap(baseLines),
    ...roles.flatMap(roleLines),
    ...findings.map(findingLine),
    ...(isUnasked ? ["", "No role was assumed: --assume does it."] : []),
    "",
    ok ? "Nothing is wrong that could be seen." : "Something will not work: see above.",
  ];
}

function baseLines(base: BaseReport): string[] {
  return [
    `base ${base.name} (${base.provider})`,
    ...field("found in", base.source),
    ...field("identity", base.identity),
    ...field("account", base.account),
    ...field("key id", base.accessKeyId),
    ...(base.accessKeyId === undefined ? [] : field("lives", lifeIn(base))),
    ...(base.failure === undefined ? [] : failureLines(base.failure)),
    "",
  ];
}

function roleLines({ name, base, steps }: RoleReport): string[] {
  const start = base === undefined ? "from the pod's own token" : `from base ${base}`;
  return [`role ${name}`, `  ${start}`, ...steps.flatMap(stepLines), ""];
}

const STATES = {
  assumed: "assumed  ",
  failed: "FAILED   ",
  unreached: "unreached",
  unasked: "assumes  ",
  pods: "assumes  ",
} as const satisfies Record<StepReport["state"], string>;

function stepLines(step: StepReport): string[] {
  const life = step.state === "assumed" ? ` (lives ${lifeIn(step)})` : "";
  return [
    `  ${STATES[step.state]} ${step.roleArn}${life}`,
    ...(step.failure === undefined ? [] : failureLines(step.failure)),
  ];
}

function failureLines({ message, denial }: Failure): string[] {
  const { principal, statements = [] } = denial ?? {};
  const isEither = denial?.refusedBy === "either";
  return [
    `    ${message}`,
    ...(principal === undefined ? [] : [`    refused: ${principal}`]),
    ...(isEither && statements.length > 0 ? [`    ${EITHER}`] : []),
    ...statements.flatMap((missing) => {
      const place = `    ${placeOf(missing)}`;
      const statement = JSON.stringify(missing.statement, undefined, 2);
      return [place].concat(indented(statement, 6));
    }),
  ];
}

const EITHER = "across accounts both sides must allow it; AWS does not say which one does not:";

function placeOf({ side, account, attachTo }: MissingStatement): string {
  const policy = side === "trust" ? "the trust policy" : "a permission policy";
  return `add this statement to ${policy} of ${attachTo} in account ${account}:`;
}

function findingLine({ level, where, message }: Finding): string {
  return `${level}: ${where}: ${message}`;
}

function lifeIn({
  expiration,
  remainingSeconds = 0,
}: {
  readonly expiration?: string;
  readonly remainingSeconds?: number;
}): string {
  if (expiration === undefined) return "until it is replaced at its source";
  return `until ${expiration}, ${Math.floor(remainingSeconds / 60)} min from now`;
}

function field(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`  ${name.padEnd(9)} ${value}`];
}

function indented(text: string, spaces: number): string[] {
  return text.split("\n").map((line) => `${" ".repeat(spaces)}${line}`);
}
