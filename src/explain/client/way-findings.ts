/** @module What is wrong on the way to crossrole itself, for one SDK. Pure. */
import type { ClientFinding, EndpointAnswer } from "./client-report.ts";
import { ENDPOINT, FULL, MODE, RELATIVE, isLoopback, shownUrl } from "./place.ts";
import type { Place } from "./place.ts";
import { proxyFinding } from "./proxy.ts";
import type { Sdk } from "./sdks.ts";
import type { FoundToken } from "./token.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const DISABLED = "AWS_EC2_METADATA_DISABLED";
const V1_DISABLED = "AWS_EC2_METADATA_V1_DISABLED";

const DROPPED = "this SDK drops the path of the endpoint, so that it asks the root";

interface Way {
  readonly place: Place;
  /** What answers where this SDK asks. */
  readonly answer: EndpointAnswer;
  readonly found: FoundToken;
  readonly environment: Environment;
}

export function wayFindings(sdk: Sdk, way: Way): ClientFinding[] {
  const { place, answer, environment } = way;
  if (place.way === "container") {
    return [
      ...containerFindings(place, answer),
      ...tokenFinding(sdk, way),
      ...bothUris(environment),
    ];
  }
  return [
    ...disabledFinding(sdk, environment),
    ...modeFinding(sdk, environment),
    ...endpointFindings(sdk, place, answer),
    ...proxyFinding(sdk, place, environment),
    ...v1Finding(sdk, environment),
  ];
}

function tokenFinding(sdk: Sdk, { answer, found }: Way): ClientFinding[] {
  if (answer.kind !== "crossrole" || sdk.bareToken !== true || !found.endsInNewline) return [];
  const message = "a newline is behind the token, which this SDK does not send";
  return [error("container-token", found.variable, message, "write the token without a newline")];
}

function bothUris(environment: Environment): ClientFinding[] {
  if (!environment[RELATIVE] || !environment[FULL]) return [];
  const what = `${RELATIVE}, ${FULL}`;
  const message = "both are set, and SDKs differ in which they take";
  return [{ level: "warning", code: "container", what, message, fix: "set one of them" }];
}

function containerFindings(place: Place, answer: EndpointAnswer): ClientFinding[] {
  const { url, variable = FULL } = place;
  if (url === undefined) return [invalid(variable)];
  if (url.protocol === "http:" && !isContainerHost(url)) {
    const message = "SDKs ask over http at loopback, 169.254.170.2 and 169.254.170.23 only";
    return [error("container-host", variable, message, "give the URI 127.0.0.1, or use https")];
  }
  switch (answer.kind) {
    case "crossrole":
    case "unasked":
      return [];
    case "other": {
      const message = `container credentials come before metadata, and ${answer.why}`;
      return [error("container", variable, message, `unset ${variable}`)];
    }
    case "nothing": {
      const fix =
        "set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the role's authorizationToken file";
      return [error("container-token", variable, answer.why, fix)];
    }
    case "silent": {
      const message = `nobody answers at ${shownUrl(place)} (${answer.why}), and no SDK goes on to metadata`;
      return [error("endpoint-answer", variable, message, `start crossrole, or unset ${variable}`)];
    }
  }
}

function isContainerHost(url: URL): boolean {
  return (
    isLoopback(url) ||
    /^(?:169\.254\.170\.2|169\.254\.170\.23|\[fd00:ec2::23\])$/.test(url.hostname)
  );
}

/** JavaScript takes more for true than the others. */
function disabledFinding(sdk: Sdk, environment: Environment): ClientFinding[] {
  const value = environment[DISABLED];
  if (!value) return [];
  const isDisabled =
    sdk.name === "js-v2" ||
    (sdk.name === "js-v3" ? value !== "false" : value.toLowerCase() === "true");
  const message = "it keeps the SDK from asking for metadata at all";
  return isDisabled ? [error("metadata-disabled", DISABLED, message, `unset ${DISABLED}`)] : [];
}

function modeFinding(sdk: Sdk, environment: Environment): ClientFinding[] {
  const value = environment[MODE];
  // Where the endpoint is said, nobody looks at the mode.
  if (!value || environment[ENDPOINT]) return [];
  if (sdk.name === "js-v3" && value !== "IPv4" && value !== "IPv6") {
    const message = "this SDK takes IPv4 or IPv6, in just that spelling, and fails otherwise";
    return [error("endpoint-mode", MODE, message, `unset ${MODE}`)];
  }
  if (value.toLowerCase() !== "ipv6") return [];
  const message =
    "the SDK asks [fd00:ec2::254], which crossrole answers only where it listens on it";
  return [{ level: "warning", code: "endpoint-mode", what: MODE, message, fix: `unset ${MODE}` }];
}

function endpointFindings(sdk: Sdk, place: Place, answer: EndpointAnswer): ClientFinding[] {
  const { url, variable } = place;
  if (variable === undefined) return [unset(place)];
  if (url === undefined) return [invalid(variable)];
  return [
    ...schemeFinding(url, variable),
    ...hostFinding(sdk, url, variable, place.written),
    ...answerFinding(sdk, url, variable, answer),
    // The URL of an endpoint without a path ends in a slash too: only what was written counts.
    ...(sdk.doublesSlash === true && place.written.endsWith("/") ? [slash(variable)] : []),
  ];
}

function schemeFinding(url: URL, variable: string): ClientFinding[] {
  if (url.protocol === "http:") return [];
  const message = "crossrole answers over http, and some SDKs ask for metadata in no other way";
  return [error("endpoint-invalid", variable, message, "write http:// in it")];
}

/** PHP asks loopback, or the address of metadata written just so, and nothing else over http. */
function hostFinding(sdk: Sdk, url: URL, variable: string, written: string): ClientFinding[] {
  if (sdk.name !== "php" || url.protocol !== "http:" || isLoopback(url)) return [];
  if (/^http:\/\/(?:169\.254\.169\.254|\[fd00:ec2::254\])$/.test(written)) return [];
  const message = "over http this SDK asks loopback, or just http://169.254.169.254";
  return [error("endpoint-host", variable, message, "let crossrole answer on 127.0.0.1")];
}

function answerFinding(
  sdk: Sdk,
  url: URL,
  variable: string,
  answer: EndpointAnswer,
): ClientFinding[] {
  const isDropped = sdk.endpointPath === "dropped" && url.pathname !== "/";
  if (answer.kind === "crossrole" || answer.kind === "unasked") {
    if (!isDropped || answer.kind === "unasked") return [];
    const message = `${DROPPED}, where it gets ${answer.role}`;
    const fix = "write the endpoint without a path";
    return [{ level: "warning", code: "endpoint-path", what: variable, message, fix }];
  }
  if (isDropped) {
    const message = `${DROPPED}: ${answer.why}`;
    const fix = "give the role a listener of its own, or use container credentials";
    return [error("endpoint-path", variable, message, fix)];
  }
  const asked = answer.kind === "silent" ? `nobody answers (${answer.why})` : answer.why;
  const fix = "start crossrole there, and write the endpoint as serve prints it";
  return [error("endpoint-answer", variable, asked, fix)];
}

function slash(variable: string): ClientFinding {
  const message = "this SDK asks //latest then: crossrole answers that, other services do not";
  return {
    level: "note",
    code: "endpoint-slash",
    what: variable,
    message,
    fix: "write it without the slash",
  };
}

function unset(place: Place): ClientFinding {
  const message = `nobody says where: the SDK asks ${shownUrl(place)}, which crossrole must own`;
  const fix = `set ${ENDPOINT} as serve prints it, unless this is a pod that crossrole answers`;
  return { level: "note", code: "endpoint-unset", what: ENDPOINT, message, fix };
}

function v1Finding(sdk: Sdk, environment: Environment): ClientFinding[] {
  if (sdk.v2Only === true || environment[V1_DISABLED]?.toLowerCase() === "true") return [];
  const message =
    "it is not true: after one slow answer the SDK may try IMDSv1, which crossrole refuses";
  return [
    { level: "note", code: "imds-v1", what: V1_DISABLED, message, fix: `set ${V1_DISABLED}=true` },
  ];
}

function invalid(variable: string): ClientFinding {
  return error("endpoint-invalid", variable, "it is no http URL", "write it as serve prints it");
}

function error(
  code: ClientFinding["code"],
  what: string,
  message: string,
  fix: string,
): ClientFinding {
  return { level: "error", code, what, message, fix };
}
