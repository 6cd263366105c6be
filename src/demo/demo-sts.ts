/**
 * @module The demo's own STS, and a service that asks who is calling: two accounts, on loopback.
 *
 * For `crossrole demo` only. It checks which access key id and session token are presented, and who
 * may assume which role; it does not check signatures.
 */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { text } from "node:stream/consumers";
import { errorXml, identityXml, Refusal, sessionXml } from "./demo-sts-xml.ts";
import { GATEWAY, READER } from "./events.ts";

/** How long a session lives, whatever DurationSeconds asks for. An hour would be a dull demo. */
export const SESSION_SECONDS = 20;

const OPERATOR = "arn:aws:iam::111111111111:user/operator";

/** What signs the first AssumeRole: a user of 111111111111, who may assume the gateway and no more. */
export const BASE_KEY = {
  accessKeyId: "AKIADEMOBASE1EXAMPLE",
  secretAccessKey: "demo/base/secret/EXAMPLEKEY",
} as const;

/** Every role, the one principal that its trust policy names, and letters for its access key ids. */
const ROLES: ReadonlyMap<string, { readonly trusts: string; readonly letters: string }> = new Map([
  [GATEWAY.arn, { trusts: OPERATOR, letters: "GATE" }],
  [READER.arn, { trusts: GATEWAY.arn, letters: "READ" }],
]);

/** Whom an access key id belongs to. */
interface Key {
  /** As trust policies name it: the user, or the role of a session. */
  readonly principal: string;
  /** As GetCallerIdentity names it. */
  readonly arn: string;
  readonly sessionToken?: string;
  readonly expirationMs?: number;
}

export interface DemoStsOptions {
  readonly now: () => number;
  /** A call to AssumeRole has arrived at STS. */
  readonly onAssumeRole: (answered: boolean) => void;
  /** The service has refused a request. */
  readonly onRefused: (accessKeyId: string, code: string) => void;
}

export async function startDemoSts(options: DemoStsOptions): Promise<DemoSts> {
  const sts = new DemoSts(options);
  await sts.listen();
  return sts;
}

export class DemoSts {
  readonly #options: DemoStsOptions;
  readonly #keys = new Map<string, Key>([
    [BASE_KEY.accessKeyId, { principal: OPERATOR, arn: OPERATOR }],
  ]);
  readonly #sts = serverOf((request) => this.#answerSts(request));
  readonly #service = serverOf((request) => this.#answerService(request));
  /** How many sessions of each role. */
  readonly #issued = new Map<string, number>();
  /** While it is down, STS resets every connection at its first request. */
  isDown = false;

  constructor(options: DemoStsOptions) {
    this.#options = options;
  }

  /** The endpoint of STS: AssumeRole and GetCallerIdentity. */
  get url(): string {
    return urlOf(this.#sts);
  }

  /** Where the application asks GetCallerIdentity. It never goes away. */
  get serviceUrl(): string {
    return urlOf(this.#service);
  }

  async listen(): Promise<void> {
    await Promise.all([listening(this.#sts), listening(this.#service)]);
  }

  async close(): Promise<void> {
    await Promise.all([closed(this.#sts), closed(this.#service)]);
  }

  async #answerSts(request: IncomingMessage): Promise<Answer> {
    const parameters = new URLSearchParams(await text(request));
    const action = parameters.get("Action") ?? "";
    if (action === "AssumeRole") this.#options.onAssumeRole(!this.isDown);
    if (this.isDown) throw new Error("STS is down");
    return answerOf(() => {
      const key = this.#authenticate(request);
      if (action === "AssumeRole") return this.#assumeRole(key, parameters);
      if (action === "GetCallerIdentity") return identityXml(key);
      throw new Refusal(400, "InvalidAction", `the demo's STS has no ${action}`);
    });
  }

  async #answerService(request: IncomingMessage): Promise<Answer> {
    // Whatever is asked, the answer is who asks.
    await text(request);
    return answerOf(
      () => identityXml(this.#authenticate(request)),
      ({ code }) => this.#options.onRefused(accessKeyIdOf(request), code),
    );
  }

  /** Whose credentials they are: issued here, the token that belongs to them, and not expired. */
  #authenticate(request: IncomingMessage): Key {
    const key = this.#keys.get(accessKeyIdOf(request));
    if (key === undefined || request.headers["x-amz-security-token"] !== key.sessionToken) {
      const message = "The security token included in the request is invalid.";
      throw new Refusal(403, "InvalidClientTokenId", message);
    }
    if (key.expirationMs !== undefined && key.expirationMs <= this.#options.now()) {
      const message = "The security token included in the request is expired";
      throw new Refusal(403, "ExpiredToken", message);
    }
    return key;
  }

  #assumeRole(caller: Key, parameters: URLSearchParams): string {
    const roleArn = parameters.get("RoleArn") ?? "";
    const role = ROLES.get(roleArn);
    if (role?.trusts !== caller.principal) {
      const message = `User: ${caller.arn} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`;
      throw new Refusal(403, "AccessDenied", message);
    }
    const number = (this.#issued.get(roleArn) ?? 0) + 1;
    this.#issued.set(roleArn, number);
    const session = {
      // 20 characters, as AWS's: ASIAREAD00002EXAMPLE.
      accessKeyId: `ASIA${role.letters}${String(number).padStart(5, "0")}EXAMPLE`,
      secretAccessKey: randomBytes(30).toString("base64"),
      sessionToken: randomBytes(150).toString("base64"),
      // STS counts in whole seconds.
      expirationMs: (Math.ceil(this.#options.now() / 1000) + SESSION_SECONDS) * 1000,
      arn: sessionArn(roleArn, parameters.get("RoleSessionName") ?? ""),
    };
    this.#keys.set(session.accessKeyId, { ...session, principal: roleArn });
    return sessionXml(session);
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A server that resets the connection where there is no answer. */
function serverOf(answer: (request: IncomingMessage) => Promise<Answer>): Server {
  return createServer((request, response) => {
    answer(request).then(
      ({ status, body }) => response.writeHead(status, { "Content-Type": "text/xml" }).end(body),
      () => request.socket.resetAndDestroy(),
    );
  });
}

function answerOf(body: () => string, onRefused?: (refusal: Refusal) => void): Answer {
  try {
    return { status: 200, body: body() };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    onRefused?.(error);
    return { status: error.status, body: errorXml(error) };
  }
}

/** @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function accessKeyIdOf({ headers }: IncomingMessage): string {
  return /Credential=(\w+)\//.exec(headers.authorization ?? "")?.[1] ?? "";
}

function sessionArn(roleArn: string, sessionName: string): string {
  return `${roleArn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")}/${sessionName}`;
}

async function listening(server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(0, "127.0.0.1", resolve);
  await promise;
}

async function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("it does not listen");
  return `http://127.0.0.1:${address.port}`;
}
