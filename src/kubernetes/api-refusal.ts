/** @module The API server's refusals: its status, its own words, and which rule would change its mind. */
import { CrossroleError } from "../errors.ts";
import type { CrossroleErrorCode } from "../errors.ts";
import { textIn } from "./json.ts";

/** An answer of the API server, whatever its status. */
export interface ApiAnswer {
  readonly status: number;
  /** What came as JSON; as text when it was none, which only errors may be. */
  readonly body: unknown;
}

/**
 * An answer that was not hoped for. Its code is `ERR_KUBERNETES_DENIED` for 401 and 403 and
 * `ERR_KUBERNETES_UNAVAILABLE` for others, unless it is said otherwise.
 */
export class ApiRefusal extends CrossroleError {
  readonly status: number;

  constructor(status: number, message: string, code: CrossroleErrorCode = codeOf(status)) {
    super(code, message);
    this.status = status;
  }
}

/**
 * The error that tells of `answer`.
 *
 * @param doing what was asked for, to follow "to": `list the pods of node worker-1`
 * @param options `advice`: what to do, if it is none of RBAC's rules that is missing
 */
export function refusalOf(
  answer: ApiAnswer,
  doing: string,
  options: { readonly code?: CrossroleErrorCode; readonly advice?: string } = {},
): ApiRefusal {
  const advice = options.advice ?? adviceOn(answer);
  const message = `the API server refused to ${doing} (${saidBy(answer)})`;
  return new ApiRefusal(
    answer.status,
    advice === undefined ? message : `${message}; ${advice}`,
    options.code,
  );
}

/** Status, reason and message of an answer on one line: `403 Forbidden: pods is forbidden: …`. */
function saidBy({ status, body }: ApiAnswer): string {
  const reason = textIn(body, "reason");
  const words = oneLine(typeof body === "string" ? body : (textIn(body, "message") ?? ""));
  const head = reason === undefined ? String(status) : `${status} ${oneLine(reason)}`;
  return words === "" || words === reason ? head : `${head}: ${words}`;
}

/** The message of a `Status`, or nothing. */
export function messageIn(body: unknown): string {
  return textIn(body, "message") ?? "";
}

function codeOf(status: number): CrossroleErrorCode {
  return status === 401 || status === 403 ? "ERR_KUBERNETES_DENIED" : "ERR_KUBERNETES_UNAVAILABLE";
}

function oneLine(text: string): string {
  return text
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, 600);
}

/** `cannot impersonate-on:associated-node:list resource "pods" in API group ""` */
const MISSING_RULE = /User "([^"]+)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)"/;

/** Which rule is missing, in the words of a Role, for whoever writes it. */
function adviceOn({ status, body }: ApiAnswer): string | undefined {
  if (status === 401) {
    return "its token has expired or is another cluster's: check kubernetes.apiServer.tokenFile";
  }
  const missing = status === 403 ? MISSING_RULE.exec(messageIn(body)) : null;
  if (missing === null) return undefined;
  const [, user = "", verb = "", resource = "", group = ""] = missing;
  const rule = `{apiGroups: ["${group}"], resources: [${resource}], verbs: ["${verb}"]}`;
  return oneLine(`the RBAC rule that is missing for ${user}: ${rule}`);
}
