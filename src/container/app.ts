/** @module Face 2: container credentials, as ECS and EKS serve them. */
import type { IncomingMessage, RequestListener } from "node:http";
import type { CallerSession, OnHandOut, SessionFor } from "../callers/types.ts";
import { documentOf } from "../credentials/document.ts";
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { CredentialsFor, RoleSession, TemporaryCredentials } from "../credentials/types.ts";
import { CrossroleError, httpStatus, messageOf } from "../errors.ts";
import { peerOf } from "../http/answer.ts";
import type { Answer, OnRefused } from "../http/answer.ts";
import { answering, routeCountedBy, single } from "../http/face.ts";
import type { Handle, Routed } from "../http/face.ts";
import type { RequestCounts } from "../http/request-counts.ts";
import { decodeSegment, pathOf } from "../http/target.ts";

/** Below this path each role of the listener has its credentials. */
export const CONTAINER_PATH = "/container";

/** Where EKS Pod Identity has them: whose token is shown gets its own. */
const POD_IDENTITY_PATH = "/v1/credentials";

/** How long a session never obtained is waited for: the clients of this face give up at 1 s. */
const HOLD_MS = 400;

/** Exactly this, without a charset: Kotlin shows an error's message only then. */
const JSON_TYPE = { "Content-Type": "application/json" };

export interface ContainerOptions {
  readonly sessionFor: SessionFor;
  readonly credentialsFor: CredentialsFor;
  /** Whether `presented` is the authorization token of the role; compared in constant time. */
  readonly isAuthorized: (roleName: string, presented: string) => boolean | Promise<boolean>;
  /** The session of the pod whose own token `presented` is. */
  readonly sessionForToken: (presented: string) => Promise<CallerSession>;
  readonly onRefused: OnRefused;
  readonly onHandOut?: OnHandOut | undefined;
  readonly counts?: RequestCounts | undefined;
}

/**
 * `GET /container/NAME` with the role's token in `Authorization`, and `GET /v1/credentials` with a
 * pod's own.
 *
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
export function containerApp(options: ContainerOptions): RequestListener {
  return answering(routing(options), options.onRefused, failed);
}

function routing(options: ContainerOptions): (request: IncomingMessage) => Routed {
  const route = routeCountedBy(options.counts);
  const role = route("container_credentials", getCredentials(options, ofRole));
  const otherForRole = route("container_credentials", methodNotAllowed);
  const pod = route("pod_identity", getCredentials(options, ofPod));
  const otherForPod = route("pod_identity", methodNotAllowed);
  const other = route("other", notFound);
  return ({ url = "", method }) => {
    const path = pathOf(url) ?? "";
    const isRead = method === "GET" || method === "HEAD";
    if (isRolePath(path)) return isRead ? role : otherForRole;
    if (path === POD_IDENTITY_PATH) return isRead ? pod : otherForPod;
    return other;
  };
}

/** `/container/ROLE`, and nothing below it. */
function isRolePath(path: string): boolean {
  const below = CONTAINER_PATH.length + 1;
  return (
    path.startsWith(`${CONTAINER_PATH}/`) && path.length > below && path.indexOf("/", below) === -1
  );
}

/** Whether a raw target is this face's: everything else on a listener is the metadata service's. */
export function isContainerTarget(target: string): boolean {
  if (!target.includes(CONTAINER_PATH)) return false;
  const path = pathOf(target);
  return path === CONTAINER_PATH || path?.startsWith(`${CONTAINER_PATH}/`) === true;
}

/** The same where pods have their credentials: on their listeners alone. */
export function isPodIdentityTarget(target: string): boolean {
  return target.includes("/credentials") && pathOf(target) === POD_IDENTITY_PATH;
}

/** Who asks, by what it shows. */
type Shown = (
  request: IncomingMessage,
  options: ContainerOptions,
) => CallerSession | Promise<CallerSession>;

const ofRole: Shown = (request, { isAuthorized, sessionFor }) => {
  const path = pathOf(request.url ?? "") ?? "";
  const asked = decodeSegment(path.slice(CONTAINER_PATH.length + 1)) ?? "";
  // The token first: without it nobody learns which roles there are.
  const answer = (isRight: boolean) => {
    if (isRight) return sessionFor(peerOf(request), asked);
    const message = "the Authorization header is missing, or is not this role's token";
    throw new CrossroleError("ERR_TOKEN_INVALID", message);
  };
  const authorized = isAuthorized(asked, presentedBy(request));
  return authorized instanceof Promise ? authorized.then(answer) : answer(authorized);
};

const ofPod: Shown = (request, { sessionForToken }) => {
  const presented = presentedBy(request);
  if (presented !== "") return sessionForToken(presented);
  const message = "the Authorization header is missing: the pod's own token belongs there";
  throw new CrossroleError("ERR_TOKEN_INVALID", message);
};

function getCredentials(options: ContainerOptions, shown: Shown): Handle {
  return async (request) => {
    const caller = await shown(request, options);
    const { session } = caller;
    const held = options.credentialsFor(session, { holdMs: HOLD_MS });
    const credentials = await held;
    if (request.method !== "HEAD")
      options.onHandOut?.(caller, credentials, held instanceof Promise);
    return { status: 200, headers: JSON_TYPE, body: bodyOf(session, credentials) };
  };
}

/** As it stands: the SDKs put no scheme before it. A file's newline at the end is forgiven. */
function presentedBy({ headers }: IncomingMessage): string {
  return single(headers.authorization)?.trimEnd() ?? "";
}

/** With what ECS adds: SDKs use the account for account-based endpoints, so it is the role's own. */
function bodyOf({ roleArn }: RoleSession, credentials: TemporaryCredentials): string {
  const { accountId } = checkedRoleArn(roleArn);
  return JSON.stringify({ ...documentOf(credentials), RoleArn: roleArn, AccountId: accountId });
}

/** Go and Java read small letters, JS and Kotlin capitals: both are said. */
function failed(error: unknown): Answer {
  const code = error instanceof CrossroleError ? error.code : "ERR_UNKNOWN";
  const message = error instanceof CrossroleError ? messageOf(error) : "crossrole failed";
  const body = JSON.stringify({ code, message, Code: code, Message: message });
  const status = httpStatus(error);
  const headers = status === 403 ? { ...JSON_TYPE, Connection: "close" } : JSON_TYPE;
  return { status, headers, body };
}

function notFound(): Answer {
  throw new CrossroleError("ERR_NOT_FOUND", `there is nothing here but ${CONTAINER_PATH}/NAME`);
}

function methodNotAllowed(): Answer {
  const message = "container credentials are asked for with GET";
  return {
    ...failed(new CrossroleError("ERR_METHOD_NOT_ALLOWED", message)),
    headers: { ...JSON_TYPE, Allow: "GET" },
  };
}
