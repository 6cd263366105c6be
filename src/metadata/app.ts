/** @module Face 1: the EC2 instance metadata service, version 2. */
import type { IncomingMessage, RequestListener } from "node:http";
import type { CallerSession, OnHandOut, SessionFor } from "../callers/types.ts";
import type { CredentialsFor, RoleSession, TemporaryCredentials } from "../credentials/types.ts";
import { CrossroleError, httpStatus } from "../errors.ts";
import { peerOf } from "../http/answer.ts";
import type { Answer, OnRefused } from "../http/answer.ts";
import { answering, routeCountedBy, single } from "../http/face.ts";
import type { Handle, Routed } from "../http/face.ts";
import type { RequestCounts } from "../http/request-counts.ts";
import { decodeSegment, metadataTarget } from "../http/target.ts";
import { DOCUMENTS, SECURITY_CREDENTIALS, securityCredentials } from "./documents.ts";
import { expiryOf, isInTime, isTokenValid, issueToken, parseTtl } from "./metadata-token.ts";
import type { TokenKeys } from "./metadata-token.ts";

/** How long the list and credentials routes wait for a session never obtained: Go v2 gives up at 500. */
const HOLD_MS = 400;

const TOKEN_PATH = "/latest/api/token";
const TOKEN_HEADER = "x-aws-ec2-metadata-token";
const TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds";
const TEXT = { "Content-Type": "text/plain" };

export interface MetadataOptions {
  readonly sessionFor: SessionFor;
  readonly credentialsFor: CredentialsFor;
  readonly tokenKeys: () => TokenKeys;
  /** What tokens are bound to besides the caller and the role. */
  readonly listener: string;
  /** Whether each role has a service of its own below `/roles/NAME`, and the root has none. */
  readonly perRole: () => boolean;
  /** The region that clients are told; the session's own when nobody said one. */
  readonly region: () => string | undefined;
  readonly hostname: string;
  readonly now: () => number;
  readonly onRefused: OnRefused;
  /** Told of each request that was served without a metadata token. */
  readonly onImdsV1: (caller: CallerSession) => void;
  readonly onHandOut?: OnHandOut | undefined;
  readonly counts?: RequestCounts | undefined;
}

/** What the handlers of one app share. */
interface Service extends MetadataOptions {
  readonly isAuthentic: (request: IncomingMessage, token: string, caller: CallerSession) => boolean;
}

/**
 * The app of one listener. A few literal paths need no router, and on this way every turn costs: with
 * one in between a warm answer has two thirds of the throughput.
 */
export function metadataApp(settings: MetadataOptions): RequestListener {
  const options: Service = { ...settings, isAuthentic: rememberingTokens(settings) };
  return answering(routing(options), options.onRefused, failing(options));
}

function routing(options: Service): (request: IncomingMessage) => Routed {
  const route = routeCountedBy(options.counts);
  const token = route("token", putToken(options));
  const roleName = route("role_list", getRoleName(options));
  const credentials = route("credentials", getCredentials(options));
  const documents = new Map(
    [...DOCUMENTS.keys()].map((path) => [path, route("document", getDocument(options, path))]),
  );
  const otherForToken = route(
    "other",
    identified(options, () => methodNotAllowed("PUT")),
  );
  const other = route("other", everythingElse(options));
  return (request) => {
    const { path } = metadataTarget(request.url ?? "", options.perRole());
    if (path === TOKEN_PATH) return isPut(request) ? token : otherForToken;
    if (!isRead(request)) return other;
    if (path === SECURITY_CREDENTIALS) return roleName;
    return isCredentialsPath(path) ? credentials : (documents.get(path) ?? other);
  };
}

/** `…/security-credentials/ROLE`, and nothing below it. */
function isCredentialsPath(path: string): boolean {
  const below = SECURITY_CREDENTIALS.length + 1;
  return path.startsWith(`${SECURITY_CREDENTIALS}/`) && path.indexOf("/", below) === -1;
}

/** Errors have no body: GDAL and the CRT take an error's body for a role name. */
function failing({ perRole }: MetadataOptions) {
  return (error: unknown, request: IncomingMessage): Answer => {
    const status = httpStatus(error);
    // Whoever has no place on this connection is to come back on another one.
    const isLast = status === 403 || hasChanged(error);
    const headers = isLast ? { Connection: "close" } : undefined;
    const isForToken =
      isPut(request) && metadataTarget(request.url ?? "", perRole()).path === TOKEN_PATH;
    return { status: isForToken && isOfCaller(error) ? 500 : status, headers };
  };
}

/**
 * Who asks may have nothing, whatever it asks for. Where it asks for a token a client reads 403, 404
 * and 405 as a service that has no IMDSv2, and remembers to do without; from a 500 it comes back.
 */
function isOfCaller(error: unknown): boolean {
  if (!(error instanceof CrossroleError)) return false;
  const { code } = error;
  return code === "ERR_CALLER_UNKNOWN" || code === "ERR_ROLE_UNASSOCIATED" || hasChanged(error);
}

function hasChanged(error: unknown): boolean {
  return error instanceof CrossroleError && error.code === "ERR_CALLER_CHANGED";
}

type ForCaller = (request: IncomingMessage, caller: CallerSession) => Answer | Promise<Answer>;

/** Finds out who asks, without a promise where that is known already. */
function identified(options: MetadataOptions, handle: ForCaller): Handle {
  return (request) => {
    const { roleName } = metadataTarget(request.url ?? "", options.perRole());
    const caller = options.sessionFor(peerOf(request), roleName);
    return caller instanceof Promise
      ? caller.then((found) => handle(request, found))
      : handle(request, caller);
  };
}

function putToken(options: Service): Handle {
  return identified(options, (request, caller) => {
    const ttlSeconds = parseTtl(single(request.headers[TTL_HEADER]));
    void start(options, caller.session);
    const token = issueToken(
      options.tokenKeys(),
      audienceOf(options, caller),
      ttlSeconds,
      options.now(),
    );
    const headers = { ...TEXT, "X-aws-ec2-metadata-token-ttl-seconds": ttlSeconds };
    return { status: 200, headers, body: token };
  });
}

/** The token comes first: by the time the credentials are asked for, STS has been asked already. */
async function start({ credentialsFor }: MetadataOptions, session: RoleSession): Promise<void> {
  try {
    await credentialsFor(session, { holdMs: 0 });
  } catch {
    // Reported where the call is made; the routes that need the credentials say so themselves.
  }
}

function everythingElse(options: Service): Handle {
  return authorized(options, (request) =>
    isRead(request) ? notFound() : methodNotAllowed("GET, HEAD"),
  );
}

function getRoleName(options: Service): Handle {
  return authorized(options, (_, { session, roleName }) => {
    const answer = { status: 200, headers: TEXT, body: roleName };
    const credentials = options.credentialsFor(session, { holdMs: HOLD_MS });
    return credentials instanceof Promise ? credentials.then(() => answer) : answer;
  });
}

function getCredentials(options: Service): Handle {
  return authorized(options, (request, caller) => {
    const { path } = metadataTarget(request.url ?? "", options.perRole());
    const asked = decodeSegment(path.slice(SECURITY_CREDENTIALS.length + 1));
    if (asked !== caller.roleName) return notFound();
    const credentials = options.credentialsFor(caller.session, { holdMs: HOLD_MS });
    const answer = (held: TemporaryCredentials, waited: boolean) => {
      if (request.method !== "HEAD") options.onHandOut?.(caller, held, waited);
      return { status: 200, headers: TEXT, body: securityCredentials(held) };
    };
    return credentials instanceof Promise
      ? credentials.then((obtained) => answer(obtained, true))
      : answer(credentials, false);
  });
}

function getDocument(options: Service, path: string): Handle {
  const document = DOCUMENTS.get(path);
  return authorized(options, (_, { session }) => {
    const region = options.region() ?? session.region;
    const { hostname, now } = options;
    const body = document?.({ session, region, hostname, now: new Date(now()) });
    return { status: 200, headers: TEXT, body };
  });
}

/**
 * Asks for a metadata token before anything else is decided: without one, the tree says nothing, not
 * even what is in it. 401 is the one status that brings a client back from IMDSv1.
 */
function authorized(options: Service, handle: ForCaller): Handle {
  return identified(options, (request, caller) => {
    const token = single(request.headers[TOKEN_HEADER]);
    // A token that is wrong is refused even where none is needed: its owner asks for a new one then.
    if (token === undefined && caller.imdsV1 && isRead(request)) {
      options.onImdsV1(caller);
      return handle(request, caller);
    }
    if (options.isAuthentic(request, token ?? "", caller)) return handle(request, caller);
    const what =
      token === undefined ? "no metadata token" : "a metadata token that is not valid here";
    throw new CrossroleError("ERR_TOKEN_INVALID", `the request has ${what}`);
  });
}

/**
 * Whether a token is valid, computed once for each that a connection shows. What is compared on the
 * way is the caller's own, found valid before: its time tells nobody anything.
 */
function rememberingTokens(options: MetadataOptions) {
  const shown = new WeakMap<object, { token: string; audience: string; expiryMs: number }>();
  return ({ socket }: IncomingMessage, token: string, caller: CallerSession): boolean => {
    const audience = audienceOf(options, caller);
    const known = shown.get(socket);
    const nowMs = options.now();
    const name = `${audience.listener}\n${audience.caller}`;
    if (known?.token === token && known.audience === name) return isInTime(known.expiryMs, nowMs);
    if (!isTokenValid(options.tokenKeys(), audience, token, nowMs)) return false;
    shown.set(socket, { token, audience: name, expiryMs: expiryOf(token) });
    return true;
  };
}

/** A token of one role's service is worth nothing at another's, though both are at one address. */
function audienceOf({ listener, perRole }: MetadataOptions, { caller, roleName }: CallerSession) {
  return { caller, listener: perRole() ? `${listener}/roles/${roleName}` : listener };
}

function isPut({ method }: IncomingMessage): boolean {
  return method === "PUT";
}

function isRead({ method }: IncomingMessage): boolean {
  return method === "GET" || method === "HEAD";
}

function notFound(): Answer {
  return { status: 404 };
}

function methodNotAllowed(allow: string): Answer {
  return { status: 405, headers: { Allow: allow } };
}
