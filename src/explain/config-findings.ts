/** @module What the configuration itself will make hard later. Pure. */
import type { Config, Role } from "../config/types.ts";
import { isServed } from "./chains.ts";
import type { Finding } from "./finding.ts";

/** STS's one endpoint for the whole world, which is in us-east-1. */
const GLOBAL_HOST = "sts.amazonaws.com";

type Environment = Readonly<Record<string, string | undefined>>;

export function configFindings(config: Config, environment: Environment): Finding[] {
  return [
    ...config.notices.map(noticeFinding),
    ...endpointFindings(config, environment),
    ...duplicateFindings(config),
    ...unservedFindings(config),
  ];
}

function noticeFinding(notice: string): Finding {
  const isChained = /^roles\.\S+\.durationSeconds is/.test(notice);
  const [where = ""] = isChained ? notice.split(" ") : ["configuration"];
  const code = isChained ? "chained-duration" : "configuration";
  return { level: "warning", code, where, message: notice };
}

/** @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html */
function endpointFindings({ sts }: Config, environment: Environment): Finding[] {
  const findings: Finding[] = [];
  if (URL.parse(sts.endpoint ?? "")?.hostname === GLOBAL_HOST) {
    const message =
      `STS is asked at its global endpoint ${GLOBAL_HOST}, which fails with us-east-1: leave the ` +
      "endpoint out, and the one of the region is asked";
    findings.push({ level: "warning", code: "global-endpoint", where: "sts.endpoint", message });
  }
  const variable = "AWS_STS_REGIONAL_ENDPOINTS";
  if (environment[variable]?.toLowerCase() === "legacy") {
    const message =
      "it is legacy: crossrole asks the STS of the region all the same, but other SDKs in this environment " +
      `ask ${GLOBAL_HOST}, which fails with us-east-1: unset it, or say regional`;
    findings.push({ level: "warning", code: "global-endpoint", where: variable, message });
  }
  return findings;
}

/** The cache makes one session of two roles with the same inputs: the second name is no second session. */
function duplicateFindings({ roles }: Config): Finding[] {
  const alike = Map.groupBy([...roles.values()], inputsOf);
  return [...alike.values()].flatMap(([first, ...others]) =>
    others.map((other): Finding => ({
      level: "warning",
      code: "duplicate-role",
      where: `roles.${other.name}`,
      message: `it is the same as roles.${first?.name} in everything: one of the two is enough`,
    })),
  );
}

/** Everything that STS is told. What only clients see makes no second session. */
function inputsOf(role: Role): string {
  const { name, imdsV1: _, authorizationToken: __, namesBase: ___, ...inputs } = role;
  const sessionName = inputs.sessionName?.replaceAll("{role}", name);
  return JSON.stringify({ ...inputs, sessionName });
}

function unservedFindings(config: Config): Finding[] {
  // Without listeners the file is for exec and credential-process, which name the role.
  if (config.listeners.length === 0) return [];
  return [...config.roles.values()]
    .filter((role) => !isServed(role, config))
    .map(({ name }) => ({
      level: "warning",
      code: "unserved-role",
      where: `roles.${name}`,
      message: "no listener and no association names it, so serve gives it to nobody",
    }));
}
