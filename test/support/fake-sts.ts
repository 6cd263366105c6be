/**
 * @module An STS over real HTTP: it checks signatures, trust and durations as AWS does, and fails on demand.
 *
 * ```ts
 * await using sts = await startFakeSts();
 * const key = sts.addKey();                                  // an IAM user of account 111111111111
 * sts.addRole({ arn: "arn:aws:iam::222222222222:role/orders-reader", externalId: "7f2c" });
 * sts.fault({ kind: "throttle", times: 2 });                 // the next two calls, then all is well
 * …                                                          // point an SDK at sts.url
 * expect(sts.calls).toHaveLength(3);
 * ```
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import {
  CREDENTIAL_FIELDS,
  HTML_PAGE,
  StsRefusal,
  credentialsXml,
  errorAnswer,
  resultAnswer,
  userXml,
} from "./fake-sts-answers.ts";
import type { Answer, CredentialField, IssuedCredentials } from "./fake-sts-answers.ts";
import { amzDate, amzDateMs, expectedSignature, parseSignature } from "./fake-sts-signature.ts";
import type { Signature } from "./fake-sts-signature.ts";

/** In every secret and session token of the fake: where this text shows up, a secret has leaked. */
export const CANARY = "CANARY";

/** A role, and who may assume it. */
export interface FakeRole {
  readonly arn: string;
  /**
   * Principals of the trust policy: ARNs of users, roles or roots (`arn:aws:iam::111111111111:root`
   * trusts the whole account). Default: everybody.
   */
  readonly trusts?: readonly string[];
  /** The `sts:ExternalId` that the trust policy asks for. Default: none is asked for. */
  readonly externalId?: string;
  /** MaxSessionDuration. Default 3600, as in AWS. */
  readonly maxSessionSeconds?: number;
  /** What the trust policy does not allow besides sts:AssumeRole. Default: nothing. */
  readonly refuses?: readonly ("sts:TagSession" | "sts:SetSourceIdentity")[];
  /** How much of their bound session policies and tags take, in percent. Default: the answer does not say. */
  readonly packedPolicySize?: number;
  /** Which web identity tokens it trusts. Default: none. */
  readonly webIdentity?: (token: string) => boolean;
}

/** An access key that signs: a user's, or one of a session that the test brings along. */
export interface FakeKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** The principal: `arn:aws:iam::…:user/NAME`, or `arn:aws:sts::…:assumed-role/NAME/SESSION`. */
  readonly arn: string;
  /** From when on it is refused with ExpiredToken. Default: never. */
  readonly expiration?: Date;
}

/** One request that arrived, whatever became of it. */
interface StsCall {
  /** `AssumeRole`, `AssumeRoleWithWebIdentity`, `GetCallerIdentity`. */
  readonly action: string;
  /** Every parameter but Action and Version, as on the wire: `Tags.member.1.Key`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The signer; undefined when the request is not signed. */
  readonly accessKeyId: string | undefined;
  readonly host: string | undefined;
  /** Of the credential scope. */
  readonly region: string | undefined;
  readonly userAgent: string | undefined;
  /** When it arrived, by this machine's clock, in milliseconds since the epoch. */
  readonly timeMs: number;
  /** AWS's name of the error, or the kind of the fault; undefined when it was answered as it should. */
  readonly failedWith: string | undefined;
  /** The access key id that was issued for it. */
  readonly issued: string | undefined;
}

/** What goes wrong with a call. */
export type FaultKind =
  /** Answered late; other faults that match are applied as well. */
  | { readonly kind: "delay"; readonly ms: number }
  /** The connection is reset before an answer. */
  | { readonly kind: "reset" }
  /** Never answered; the connection stays open. */
  | { readonly kind: "blackHole" }
  /** The connection ends in the middle of the body. */
  | { readonly kind: "cut" }
  /** 400 Throttling. */
  | { readonly kind: "throttle" }
  /** 403 AccessDenied, in AWS's words or in those given. */
  | { readonly kind: "accessDenied"; readonly message?: string }
  /** Any other error of AWS's: status, name, message. */
  | {
      readonly kind: "error";
      readonly status: number;
      readonly code: string;
      readonly message: string;
    }
  /** 500 InternalFailure or 503 ServiceUnavailable, as XML. */
  | { readonly kind: "unavailable"; readonly status?: 500 | 503 }
  /** 200 with half of the XML; the HTTP message is whole. */
  | { readonly kind: "truncatedXml" }
  /** A page of HTML, with status 200 or another. */
  | { readonly kind: "html"; readonly status?: number }
  /** 200 without the element `Credentials`. */
  | { readonly kind: "noCredentials" }
  /** 200 with empty elements: all four, or those named. */
  | { readonly kind: "emptyFields"; readonly fields?: readonly CredentialField[] }
  /** 200 with an Expiration `agoMs` (default 1 minute) in the past. */
  | { readonly kind: "pastExpiration"; readonly agoMs?: number }
  /** A `Date` header that is off by `offsetMs`, and nothing else. */
  | { readonly kind: "wrongDate"; readonly offsetMs: number }
  /** 302 to `location`; default the fake itself, where following it would count as another call. */
  | { readonly kind: "redirect"; readonly location?: string };

/** A fault, for the next `times` calls (default: until `heal()`) that it matches (default: all). */
type Fault = FaultKind & {
  readonly times?: number;
  readonly action?: string;
  readonly roleArn?: string;
};

export interface FakeSts extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Every request so far, in the order of arrival. */
  readonly calls: readonly StsCall[];
  /** Every set of credentials it has issued, in order. */
  readonly issued: readonly IssuedCredentials[];
  /**
   * How far the fake's whole clock is ahead of this machine's: its `Date`, its Expirations and its
   * judgement of `X-Amz-Date`, which may be 5 minutes off. May be set at any time.
   */
  clockOffsetMs: number;
  /** Life of what is issued from now on, instead of DurationSeconds (which is still checked). */
  lifeSeconds: number | undefined;
  /** Adds a role, or replaces the one with the same ARN. */
  addRole(role: FakeRole): void;
  removeRole(arn: string): void;
  /** Adds a key; what is not given is made up, as a user's of account 111111111111. */
  addKey(key?: Partial<FakeKey>): FakeKey;
  /** Makes a key expire now, a base key or an issued one. */
  expire(accessKeyId: string): void;
  fault(fault: Fault): void;
  /** Ends every fault and puts the clock right. What is in a black hole stays there. */
  heal(): void;
  /** Settles when `count` requests in all have arrived. */
  called(count: number): Promise<void>;
  /** Ends every connection, answered or not. */
  close(): Promise<void>;
}

/** Starts a fake STS on a port of its own. `port` only for one that comes back after `close()`. */
export async function startFakeSts(options: { readonly port?: number } = {}): Promise<FakeSts> {
  const sts = new Server();
  await sts.listen(options.port ?? 0);
  return sts;
}

const MAX_SKEW_MS = 5 * 60_000;
const CHAINED_SECONDS = 3_600;

type MutableCall = { -readonly [Name in keyof StsCall]: StsCall[Name] };
type Principal = Pick<FakeKey, "arn"> & { readonly roleArn?: string };

class Server implements FakeSts {
  readonly calls: MutableCall[] = [];
  readonly issued: IssuedCredentials[] = [];
  url = "";
  clockOffsetMs = 0;
  lifeSeconds: number | undefined;
  readonly #roles = new Map<string, FakeRole>();
  readonly #keys = new Map<string, FakeKey & { readonly roleArn?: string }>();
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #faults: { fault: Fault; left: number }[] = [];
  #keyCount = 0;
  // A request that breaks off is the client's affair.
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });

  async listen(port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject).listen(port, "127.0.0.1", resolve);
    await promise;
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  addRole(role: FakeRole): void {
    this.#roles.set(role.arn, role);
  }

  removeRole(arn: string): void {
    this.#roles.delete(arn);
  }

  addKey(key: Partial<FakeKey> = {}): FakeKey {
    const added: FakeKey = {
      accessKeyId: this.#nextKeyId("AKIA"),
      secretAccessKey: this.#secret("secret", 40),
      arn: "arn:aws:iam::111111111111:user/ops",
      ...key,
    };
    this.#keys.set(added.accessKeyId, added);
    return added;
  }

  expire(accessKeyId: string): void {
    const key = this.#keys.get(accessKeyId);
    if (key === undefined) throw new TypeError(`the fake STS has no key ${accessKeyId}`);
    this.#keys.set(accessKeyId, { ...key, expiration: new Date(0) });
  }

  fault(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? Infinity });
  }

  heal(): void {
    this.#faults = [];
    this.clockOffsetMs = 0;
  }

  async called(count: number): Promise<void> {
    if (this.calls.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ count, resolve });
    await promise;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const call = this.#note(request, body);
    const faults = this.#takeFaults(call);
    for (const fault of faults) if (fault.kind === "delay") await this.#sleep(fault.ms);
    const fault = faults.find(({ kind }) => kind !== "delay");
    if (fault !== undefined) call.failedWith = fault.kind;
    if (fault?.kind === "blackHole") return;
    if (fault?.kind === "reset") {
      request.socket.resetAndDestroy();
      return;
    }
    const answer = this.#spoiled(fault, call) ?? this.#judge(request, body, call, fault);
    this.#send(response, answer, fault);
  }

  #send(response: ServerResponse, answer: Answer, fault: Fault | undefined): void {
    const dateMs = this.#now() + (fault?.kind === "wrongDate" ? fault.offsetMs : 0);
    response.writeHead(answer.status, {
      "content-type": answer.contentType ?? "text/xml",
      "content-length": Buffer.byteLength(answer.body),
      "x-amzn-requestid": "c6104cbe-af31-11e0-8154-cbc7ccf896c7",
      date: new Date(dateMs).toUTCString(),
      ...answer.headers,
    });
    if (fault?.kind !== "cut") {
      response.end(answer.body);
      return;
    }
    const half = answer.body.slice(0, answer.body.length / 2);
    response.write(half, () => response.socket?.resetAndDestroy());
  }

  #note(request: IncomingMessage, body: string): MutableCall {
    const { Action: action = "", Version: _version, ...parameters } = parametersOf(body);
    const signature = parseSignature(request.headers.authorization);
    const call: MutableCall = {
      action,
      parameters,
      accessKeyId: signature?.accessKeyId,
      host: request.headers.host,
      region: signature?.region,
      userAgent: request.headers["user-agent"],
      timeMs: Date.now(),
      failedWith: undefined,
      issued: undefined,
    };
    this.calls.push(call);
    for (const { count, resolve } of this.#waiting) if (this.calls.length >= count) resolve();
    return call;
  }

  /** The delays that match, and the first of the other faults. */
  #takeFaults({ action, parameters }: StsCall): Fault[] {
    const taken: Fault[] = [];
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (entry.left <= 0) continue;
      if (fault.action !== undefined && fault.action !== action) continue;
      if (fault.roleArn !== undefined && fault.roleArn !== parameters["RoleArn"]) continue;
      if (fault.kind !== "delay" && taken.some(({ kind }) => kind !== "delay")) continue;
      entry.left--;
      taken.push(fault);
    }
    this.#faults = this.#faults.filter(({ left }) => left > 0);
    return taken;
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#timers.add(timer);
    await promise;
    this.#timers.delete(timer);
  }

  /** The answer of a fault that does not look at the request; undefined for every other. */
  #spoiled(fault: Fault | undefined, call: StsCall): Answer | undefined {
    switch (fault?.kind) {
      case "throttle":
        return errorAnswer(new StsRefusal(400, "Throttling", "Rate exceeded"));
      case "accessDenied": {
        const signer = this.#keys.get(call.accessKeyId ?? "") ?? { arn: "anonymous" };
        const message = fault.message ?? notAuthorized(signer, call.action, call.parameters);
        return errorAnswer(new StsRefusal(403, "AccessDenied", message));
      }
      case "error":
        return errorAnswer(new StsRefusal(fault.status, fault.code, fault.message));
      case "unavailable":
        return errorAnswer(unavailable(fault.status ?? 503));
      case "html":
        return { ...HTML_PAGE, status: fault.status ?? 200 };
      case "redirect":
        return { status: 302, body: "", headers: { location: fault.location ?? `${this.url}/` } };
      case undefined:
      case "delay":
      case "reset":
      case "blackHole":
      case "cut":
      case "truncatedXml":
      case "noCredentials":
      case "emptyFields":
      case "pastExpiration":
      case "wrongDate":
        return undefined;
    }
  }

  #judge(
    request: IncomingMessage,
    body: string,
    call: MutableCall,
    fault: Fault | undefined,
  ): Answer {
    try {
      return this.#perform(request, body, call, fault);
    } catch (error) {
      if (!(error instanceof StsRefusal)) throw error;
      call.failedWith = error.code;
      return errorAnswer(error);
    }
  }

  #perform(
    request: IncomingMessage,
    body: string,
    call: MutableCall,
    fault: Fault | undefined,
  ): Answer {
    switch (call.action) {
      case "AssumeRole": {
        const signer = this.#authenticate(request, body);
        const role = this.#authorize(call, signer);
        return this.#issueFor(call, role, isRoleSession(signer), fault);
      }
      case "AssumeRoleWithWebIdentity":
        return this.#issueFor(call, this.#trusting(call), false, fault);
      case "GetCallerIdentity": {
        const { arn } = this.#authenticate(request, body);
        const account = arn.split(":")[4] ?? "";
        const result = `    <Arn>${arn}</Arn>\n    <UserId>AIDAEXAMPLE</UserId>\n    <Account>${account}</Account>\n`;
        return resultAnswer(call.action, result);
      }
      default:
        throw new StsRefusal(
          400,
          "InvalidAction",
          `Could not find operation ${call.action} for version 2011-06-15`,
        );
    }
  }

  /** Whose signature it is: known, of now, unexpired, and made with the right secret. */
  #authenticate(request: IncomingMessage, body: string): Principal {
    const signature = parseSignature(request.headers.authorization);
    if (signature === undefined) {
      throw new StsRefusal(
        403,
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
      );
    }
    const key = this.#keys.get(signature.accessKeyId);
    if (key === undefined || request.headers["x-amz-security-token"] !== key.sessionToken) {
      const message = "The security token included in the request is invalid.";
      throw new StsRefusal(403, "InvalidClientTokenId", message);
    }
    this.#checkTime(String(request.headers["x-amz-date"]));
    this.#checkSignature(request, body, signature, key.secretAccessKey);
    if (key.expiration !== undefined && key.expiration.getTime() <= this.#now()) {
      const message = "The security token included in the request is expired";
      throw new StsRefusal(403, "ExpiredToken", message);
    }
    return key;
  }

  #checkTime(date: string): void {
    const now = this.#now();
    const offMs = amzDateMs(date) - now;
    if (Math.abs(offMs) <= MAX_SKEW_MS) return;
    const message =
      offMs < 0
        ? `Signature expired: ${date} is now earlier than ${amzDate(now - MAX_SKEW_MS)} (${amzDate(now)} - 5 min.)`
        : `Signature not yet current: ${date} is still later than ${amzDate(now + MAX_SKEW_MS)} (${amzDate(now)} + 5 min.)`;
    throw new StsRefusal(403, "SignatureDoesNotMatch", message);
  }

  #checkSignature(request: IncomingMessage, body: string, signature: Signature, secret: string) {
    const { method = "", url = "", headers } = request;
    if (
      expectedSignature({ method, path: url, headers, body }, signature, secret) === signature.hex
    )
      return;
    throw new StsRefusal(
      403,
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    );
  }

  #authorize({ action, parameters }: StsCall, signer: Principal): FakeRole {
    const role = this.#roles.get(parameters["RoleArn"] ?? "");
    const isAllowed =
      role !== undefined &&
      isTrusted(role, signer) &&
      (role.externalId === undefined || role.externalId === parameters["ExternalId"]);
    if (!isAllowed) throw denied(notAuthorized(signer, action, parameters));
    const asked = {
      "sts:TagSession": parameters["Tags.member.1.Key"],
      "sts:SetSourceIdentity": parameters["SourceIdentity"],
    };
    for (const refused of role.refuses ?? []) {
      if (asked[refused] === undefined) continue;
      throw denied(notAuthorized(signer, refused.slice("sts:".length), parameters));
    }
    return role;
  }

  #trusting({ action, parameters }: StsCall): FakeRole {
    const role = this.#roles.get(parameters["RoleArn"] ?? "");
    if (role?.webIdentity?.(parameters["WebIdentityToken"] ?? "") === true) return role;
    throw denied(`Not authorized to perform sts:${action}`);
  }

  #issueFor(
    call: MutableCall,
    role: FakeRole,
    isChained: boolean,
    fault: Fault | undefined,
  ): Answer {
    const seconds = checkedDuration(call.parameters["DurationSeconds"], role, isChained);
    const issued = this.#issue(role.arn, call.parameters["RoleSessionName"] ?? "", seconds, fault);
    call.issued = issued.accessKeyId;
    const packed =
      role.packedPolicySize === undefined
        ? ""
        : `    <PackedPolicySize>${role.packedPolicySize}</PackedPolicySize>\n`;
    return spoiledResult(call.action, issued, packed, fault);
  }

  #issue(roleArn: string, sessionName: string, seconds: number, fault: Fault | undefined) {
    const lifeMs =
      fault?.kind === "pastExpiration"
        ? -(fault.agoMs ?? 60_000)
        : (this.lifeSeconds ?? seconds) * 1000;
    const [, partition = "", , , accountId = ""] = roleArn.split(":");
    const roleName = roleArn.slice(roleArn.lastIndexOf("/") + 1);
    const issued: IssuedCredentials = {
      accessKeyId: this.#nextKeyId("ASIA"),
      secretAccessKey: this.#secret("secret", 40),
      sessionToken: this.#secret("token", 356),
      expiration: new Date(this.#now() + lifeMs),
      arn: `arn:${partition}:sts::${accountId}:assumed-role/${roleName}/${sessionName}`,
      roleArn,
    };
    this.issued.push(issued);
    this.#keys.set(issued.accessKeyId, issued);
    return issued;
  }

  /** 20 characters, never the same twice: ASIA000000001EXAMPLE. */
  #nextKeyId(prefix: "AKIA" | "ASIA"): string {
    this.#keyCount++;
    return `${prefix}${String(this.#keyCount).padStart(9, "0")}EXAMPLE`;
  }

  #secret(kind: string, length: number): string {
    return `${CANARY}/${kind}+${this.#keyCount}/`.padEnd(length - 1, "Example0/+") + "=";
  }

  #now(): number {
    return Date.now() + this.clockOffsetMs;
  }
}

function parametersOf(body: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(body));
}

function isRoleSession({ arn }: Principal): boolean {
  return arn.includes(":assumed-role/");
}

function isTrusted({ trusts }: FakeRole, { arn, roleArn }: Principal): boolean {
  if (trusts === undefined) return true;
  const [, partition, , , accountId] = arn.split(":");
  const named = roleArn ?? arn.replace(/:sts:(.*):assumed-role\/([^/]+)\/.*$/, ":iam:$1:role/$2");
  const root = `arn:${partition}:iam::${accountId}:root`;
  return [arn, named, root, "*"].some((principal) => trusts.includes(principal));
}

/** AWS's own words, which are also those for a role that does not exist. */
function notAuthorized(
  signer: Principal,
  action: string,
  parameters: StsCall["parameters"],
): string {
  return `User: ${signer.arn} is not authorized to perform: sts:${action} on resource: ${parameters["RoleArn"]}`;
}

function denied(message: string): StsRefusal {
  return new StsRefusal(403, "AccessDenied", message);
}

function invalid(message: string): StsRefusal {
  return new StsRefusal(400, "ValidationError", message);
}

function unavailable(status: 500 | 503): StsRefusal {
  return status === 500
    ? new StsRefusal(500, "InternalFailure", "An internal failure has occurred")
    : new StsRefusal(503, "ServiceUnavailable", "Service unavailable, try again");
}

function checkedDuration(asked: string | undefined, role: FakeRole, isChained: boolean): number {
  const seconds = Number(asked ?? CHAINED_SECONDS);
  if (seconds < 900) {
    throw invalid(
      `1 validation error detected: Value '${seconds}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900`,
    );
  }
  if (isChained && seconds > CHAINED_SECONDS) {
    throw invalid(
      "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    );
  }
  if (seconds > (role.maxSessionSeconds ?? CHAINED_SECONDS)) {
    throw invalid(
      "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    );
  }
  return seconds;
}

function spoiledResult(
  action: string,
  issued: IssuedCredentials,
  packed: string,
  fault: Fault | undefined,
): Answer {
  if (fault?.kind === "noCredentials") return resultAnswer(action, userXml(issued));
  const without = fault?.kind === "emptyFields" ? (fault.fields ?? CREDENTIAL_FIELDS) : [];
  const answer = resultAnswer(action, credentialsXml(issued, without) + packed);
  if (fault?.kind !== "truncatedXml") return answer;
  return { ...answer, body: answer.body.slice(0, answer.body.indexOf("<SessionToken>") + 60) };
}
