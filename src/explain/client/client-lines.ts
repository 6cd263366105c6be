/** @module A client's report for a terminal: what several SDKs have in common is said once. */
import type { ClientFinding, ClientReport, Endpoint, SdkReport } from "./client-report.ts";

export function clientLines({ ok, endpoint, way, sdks }: ClientReport): string[] {
  return [
    ...endpointLines(endpoint, way),
    "",
    ...GETS.flatMap(([gets, words]) => sdkLine(gets, words, sdks)),
    ...findingLines(sdks),
    "",
    ok
      ? "Nothing wins over crossrole here."
      : "Not every SDK gets crossrole's credentials: see above.",
  ];
}

function endpointLines({ variable, url, answer }: Endpoint, way: ClientReport["way"]): string[] {
  const what = way === "container" ? "container credentials" : "instance metadata";
  const by = variable === undefined ? "" : ` (${variable})`;
  return [`${what} at ${url}${by}`, `  ${answerWords(answer)}`];
}

function answerWords(answer: Endpoint["answer"]): string {
  switch (answer.kind) {
    case "crossrole":
      return `crossrole answers, with ${answer.role}`;
    case "nothing":
    case "other":
      return answer.why;
    case "silent":
      return `nobody answers: ${answer.why}`;
    case "unasked":
      return "not asked: no variable says that crossrole is there";
  }
}

const GETS = [
  ["crossrole", "get crossrole's credentials"],
  ["other", "get OTHER credentials"],
  ["nothing", "get NO credentials"],
  ["unproven", "would ask crossrole, if it is there"],
] as const satisfies readonly (readonly [SdkReport["gets"], string])[];

function sdkLine(gets: SdkReport["gets"], words: string, sdks: readonly SdkReport[]): string[] {
  const names = sdks.filter((one) => one.gets === gets).map(({ sdk }) => sdk);
  return names.length === 0 ? [] : [`${words}: ${names.join(", ")}`];
}

function findingLines(sdks: readonly SdkReport[]): string[] {
  const alike = new Map<string, { readonly finding: ClientFinding; readonly names: string[] }>();
  for (const { sdk, findings } of sdks) {
    for (const finding of findings) {
      const key = JSON.stringify(finding);
      const entry = alike.get(key) ?? { finding, names: [] };
      alike.set(key, entry);
      entry.names.push(sdk);
    }
  }
  return [...alike.values()].flatMap(({ finding, names }) => [
    "",
    `${finding.level}: ${finding.what}`,
    `  ${finding.message}`,
    `  for:   ${names.join(", ")}`,
    `  to do: ${finding.fix}`,
  ]);
}
