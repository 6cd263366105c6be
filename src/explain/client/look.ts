/** @module Looks at an environment as an application's SDKs would, and asks who answers there. */
import { botoFileOf, profilesOf, readAwsFiles } from "./aws-files.ts";
import type { AwsFiles } from "./aws-files.ts";
import type { ClientReport, EndpointAnswer, SdkReport } from "./client-report.ts";
import { placeOf, shownUrl } from "./place.ts";
import type { Place } from "./place.ts";
import { probeContainer, probeMetadata } from "./probe.ts";
import { rivalsOf } from "./rivals.ts";
import type { Sdk } from "./sdks.ts";
import { tokenIn } from "./token.ts";
import type { FoundToken } from "./token.ts";
import { wayFindings } from "./way-findings.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface LookOptions {
  readonly environment: Environment;
  /** Where `~` is. */
  readonly home: string;
  readonly sdks: readonly Sdk[];
}

/** Changes nothing; asks only where a variable says that somebody answers. */
export async function lookAsClient(options: LookOptions): Promise<ClientReport> {
  const { environment, home, sdks } = options;
  const place = placeOf(environment);
  const files = await readAwsFiles(environment, home);
  const found = await tokenIn(environment);
  const answers = await askAt(place, found.token);
  const reports = sdks.map((sdk) => reportOf(sdk, { place, answers, files, found, ...options }));
  return {
    ok: reports.every(({ gets }) => gets === "crossrole" || gets === "unproven"),
    way: place.way,
    endpoint: { variable: place.variable, url: shownUrl(place), answer: answers.kept },
    sdks: reports,
  };
}

/** What answers at the endpoint as it is written, and where an SDK asks that drops its path. */
interface Answers {
  readonly kept: EndpointAnswer;
  readonly dropped: EndpointAnswer;
}

async function askAt(place: Place, token: string | undefined): Promise<Answers> {
  const { way, variable, url } = place;
  const unasked = { kind: "unasked" } as const;
  // https is asked by nobody here: crossrole does not answer it, and a metadata endpoint is no web site.
  if (variable === undefined || url?.protocol !== "http:")
    return { kept: unasked, dropped: unasked };
  if (way === "container") {
    const kept = await probeContainer(url, token);
    return { kept, dropped: kept };
  }
  const kept = await probeMetadata(url);
  const root = new URL(url.origin);
  return { kept, dropped: url.pathname === "/" ? kept : await probeMetadata(root) };
}

interface Seen extends LookOptions {
  readonly place: Place;
  readonly answers: Answers;
  readonly files: AwsFiles;
  readonly found: FoundToken;
}

function reportOf(sdk: Sdk, seen: Seen): SdkReport {
  const { place, answers, files, found, environment, home } = seen;
  const profiles = profilesOf(sdk, files, environment, home);
  const botoFile = botoFileOf(files, environment, home);
  const rivals = rivalsOf(sdk, { environment, profiles, botoFile, way: place.way });
  const answer = sdk.endpointPath === "dropped" ? answers.dropped : answers.kept;
  const onTheWay = wayFindings(sdk, { place, answer, found, environment });
  const findings = [...rivals, ...onTheWay];
  return { sdk: sdk.name, gets: whatItGets(findings, answer), findings };
}

/** These end a chain without credentials; every other error hands out somebody else's. */
const ENDS_WITH_NOTHING: ReadonlySet<string> = new Set([
  "incomplete",
  "unknown-profile",
  "metadata-disabled",
  "endpoint-invalid",
  "endpoint-path",
  "endpoint-mode",
  "endpoint-host",
  "container-host",
  "container-token",
  "proxy",
]);

function whatItGets(findings: SdkReport["findings"], answer: EndpointAnswer): SdkReport["gets"] {
  const first = findings.find(({ level }) => level === "error");
  if (first === undefined) return answer.kind === "crossrole" ? "crossrole" : "unproven";
  if (first.code === "endpoint-answer") return answer.kind === "other" ? "other" : "nothing";
  return ENDS_WITH_NOTHING.has(first.code) ? "nothing" : "other";
}
