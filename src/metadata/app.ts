/** @module Face 1: the EC2 instance metadata service, version 2. */
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import type { CallerSession, SessionFor } from "../callers/types.ts";
import type { RoleSession, TemporaryCredentials } from "../credentials/types.ts";
import { CrossroleError, httpStatus } from "../errors.ts";
import { askedBy, peerOf, send } from "../http/answer.ts";
import type { Answer, OnRefused } from "../http/answer.ts";
import { DOCUMENTS, SECURITY_CREDENTIALS, securityCredentials } from "./documents.ts";
import { isTokenValid, issueToken, parseTtl } from "./metadata-token.ts";
import type { TokenKeys } from "./metadata-token.ts";
import { decodeRoleName, pathOf } from "./target.ts";

/** How long the list and credentials routes wait for a session never obtained: Go v2 gives up at 500. */
const HOLD_MS = 400;

const TOKEN_HEADER = "x-aws-ec2-metadata-token";
const TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds";
const TEXT = "text/plain";

/** Credentials of a session: at once when they are held, else within `holdMs`. */
export type CredentialsFor = (
  session: RoleSession,
  options: { readonly holdMs: number },
) => TemporaryCredentials | Promise<TemporaryCredentials>;

export interface MetadataOptions {
  readonly sessionFor: SessionFor;
  readonly credentialsFor: CredentialsFor;
  readonly tokenKeys: () => TokenKeys;
  /** What tokens are bound to besides the caller. */
  readonly listener: string;
  /** The region that clients are told; the session's own when nobody said one. */
  readonly region: () => string | undefined;
  readonly hostname: string;
  readonly now: () => number;
  readonly onRefused: OnRefused;
}

type Env = { Bindings: HttpBindings };
type Request = HttpBindings["incoming"];
type Handle = (request: Request) => Answer | Promise<Answer>;

/**
 * The app of one listener. Answers are written to Node's response itself: what a Hono response costs
 * on the way there is more than all the rest of a warm request.
 */
export function metadataApp(options: MetadataOptions): Hono<Env> {
  const app = new Hono<Env>({ getPath: (_, init) => pathOf(targetOf(init)) ?? "/\u0000" });
  const route = (handle: Handle) => async (context: { env: HttpBindings }) => {
    const { incoming, outgoing } = context.env;
    try {
      const answer = handle(incoming);
      send(outgoing, answer instanceof Promise ? await answer : answer);
    } catch (error) {
      options.onRefused(error, askedBy(incoming));
      // No body: GDAL and the CRT take an error's body for a role name.
      send(outgoing, { status: httpStatus(error), headers: headersFor(error) });
    }
    return RESPONSE_ALREADY_SENT;
  };

  app.put("/latest/api/token", route(putToken(options)));
  app.all("/latest/api/token", route(methodNotAllowed("PUT")));
  app.get(`${SECURITY_CREDENTIALS}/:role`, route(getCredentials(options)));
  app.get(SECURITY_CREDENTIALS, route(getRoleName(options)));
  for (const path of DOCUMENTS.keys()) app.get(path, route(getDocument(options, path)));
  app.get("*", route(authorized(options, notFound)));
  app.all("*", route(authorized(options, methodNotAllowed("GET, HEAD"))));
  return app;
}

function putToken(options: MetadataOptions): Handle {
  return (request) => {
    const ttlSeconds = parseTtl(single(request.headers[TTL_HEADER]));
    const { caller, session } = options.sessionFor(peerOf(request));
    void start(options, session);
    const audience = { caller, listener: options.listener };
    const token = issueToken(options.tokenKeys(), audience, ttlSeconds, options.now());
    const headers = { "Content-Type": TEXT, "X-aws-ec2-metadata-token-ttl-seconds": ttlSeconds };
    return { status: 200, headers, body: token };
  };
}

/** The token comes first: by the time the credentials are asked for, STS has been asked already. */
async function start({ credentialsFor }: MetadataOptions, session: RoleSession): Promise<void> {
  try {
    await credentialsFor(session, { holdMs: 0 });
  } catch {
    // Reported where the call is made; the routes that need the credentials say so themselves.
  }
}

function getRoleName(options: MetadataOptions): Handle {
  return authorized(options, (_, { session, roleName }) => {
    const answer = { status: 200, headers: { "Content-Type": TEXT }, body: roleName };
    const credentials = options.credentialsFor(session, { holdMs: HOLD_MS });
    return credentials instanceof Promise ? credentials.then(() => answer) : answer;
  });
}

function getCredentials(options: MetadataOptions): Handle {
  return authorized(options, (request, { session, roleName }) => {
    const path = pathOf(request.url ?? "") ?? "";
    const asked = decodeRoleName(path.slice(SECURITY_CREDENTIALS.length + 1));
    if (asked !== roleName) return notFound();
    const credentials = options.credentialsFor(session, { holdMs: HOLD_MS });
    return credentials instanceof Promise ? credentials.then(documentOf) : documentOf(credentials);
  });
}

function documentOf(credentials: TemporaryCredentials): Answer {
  return { status: 200, headers: { "Content-Type": TEXT }, body: securityCredentials(credentials) };
}

function getDocument(options: MetadataOptions, path: string): Handle {
  const document = DOCUMENTS.get(path);
  return authorized(options, (_, { session }) => {
    const region = options.region() ?? session.region;
    const { hostname, now } = options;
    const body = document?.({ session, region, hostname, now: new Date(now()) });
    return { status: 200, headers: { "Content-Type": TEXT }, body };
  });
}

/**
 * Asks for a metadata token before anything else is decided: without one, the tree says nothing, not
 * even what is in it. 401 is the one status that brings a client back from IMDSv1.
 */
function authorized(
  options: MetadataOptions,
  handle: (request: Request, caller: CallerSession) => Answer | Promise<Answer>,
): Handle {
  return (request) => {
    const caller = options.sessionFor(peerOf(request));
    const token = single(request.headers[TOKEN_HEADER]) ?? "";
    const audience = { caller: caller.caller, listener: options.listener };
    if (isTokenValid(options.tokenKeys(), audience, token, options.now())) {
      return handle(request, caller);
    }
    const what = token === "" ? "no metadata token" : "a metadata token that is not valid here";
    throw new CrossroleError("ERR_TOKEN_INVALID", `the request has ${what}`);
  };
}

function notFound(): Answer {
  return { status: 404 };
}

function methodNotAllowed(allow: string): () => Answer {
  return () => ({ status: 405, headers: { Allow: allow } });
}

function headersFor(error: unknown): Answer["headers"] {
  return httpStatus(error) === 403 ? { Connection: "close" } : undefined;
}

/** Node joins repeated headers of this kind with commas; a joined one fits no rule below. */
function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}

/** The raw target: `request.url` of the Fetch API has been normalised, and that is how guards are passed. */
function targetOf(init: unknown): string {
  if (typeof init !== "object" || init === null || !("env" in init)) return "";
  const { env } = init;
  if (typeof env !== "object" || env === null || !("incoming" in env)) return "";
  const { incoming } = env;
  if (typeof incoming !== "object" || incoming === null || !("url" in incoming)) return "";
  return typeof incoming.url === "string" ? incoming.url : "";
}
