/** @module A proxy in front of STS and S3 that remembers what went through it. */
import { once } from "node:events";
import { createServer, request as send } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { createServer as createLocalServer } from "node:net";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { accessKeyIdIn } from "./signature.ts";

/** A session that STS issued. */
export interface Issued {
  readonly action: string;
  readonly roleArn: string;
  /** The access key id that signed the call; empty for a web identity. */
  readonly signedBy: string;
  readonly webIdentityToken: string | undefined;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** As the caller was told. */
  readonly expirationMs: number;
}

/** A request that was answered. */
export interface Recorded {
  readonly atMs: number;
  readonly method: string;
  /** Path and query, as on the wire. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** Only STS is asked with a form. */
  readonly service: "sts" | "s3";
  /** Empty when it is not signed. */
  readonly accessKeyId: string;
  readonly status: number;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export class Recorder {
  readonly #upstream: URL;
  readonly #lifeMs: number | undefined;
  readonly #server = createServer();
  readonly #local = createLocalServer();
  readonly #held = new Map<string, Promise<void>>();
  #isStsDown = false;
  /** How often STS was asked while it was down. */
  unanswered = 0;
  /** In the order of STS's answers. */
  readonly issued: Issued[] = [];
  readonly requests: Recorded[] = [];

  /** @param lifeMs how long a session lives for who asks for it; without it, as long as STS says. */
  constructor(upstream: string, lifeMs?: number) {
    this.#upstream = new URL(upstream);
    this.#lifeMs = lifeMs;
    this.#server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(asError(error)));
    });
    this.#local.on("connection", (socket) => this.#server.emit("connection", socket));
  }

  /** Listens on a free port of loopback, and on the Unix socket `path` for who is in another network. */
  async listen(path: string): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    this.#local.listen(path);
    await Promise.all([once(this.#server, "listening"), once(this.#local, "listening")]);
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = [once(this.#server, "close"), once(this.#local, "close")];
    this.#server.close();
    this.#local.close();
    this.#server.closeAllConnections();
    await Promise.all(closed);
  }

  /** From now on STS resets every connection. */
  stopSts(): void {
    this.#isStsDown = true;
  }

  /** Keeps STS's answers about `roleArn` back until the function that it returns is called. */
  hold(roleArn: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(roleArn, promise);
    return resolve;
  }

  /** The requests to S3, in order. */
  get toS3(): readonly Recorded[] {
    return this.requests.filter(({ service }) => service === "s3");
  }

  sessionsOf(roleArn: string): readonly Issued[] {
    return this.issued.filter((issued) => issued.roleArn === roleArn);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const atMs = Date.now();
    const { method = "", url: target = "", headers } = request;
    const body = await buffer(request);
    const service = isForm(headers) ? "sts" : "s3";
    if (service === "sts" && this.#isStsDown) {
      this.unanswered++;
      throw new Error("STS is down");
    }
    const form = new URLSearchParams(service === "sts" ? body.toString() : "");
    const isAssumption = form.get("Action")?.startsWith("AssumeRole") ?? false;
    let answer = await inTurn(() => this.#forward({ method, target, headers, body }));
    if (isAssumption) await this.#held.get(form.get("RoleArn") ?? "");
    const accessKeyId = accessKeyIdIn(headers);
    if (isAssumption && answer.status === 200) {
      answer = this.#shortened(answer);
      this.#remember(form, accessKeyId, answer.body.toString());
    }
    const { status } = answer;
    this.requests.push({ atMs, method, target, headers, service, accessKeyId, status });
    response.writeHead(status, answer.headers).end(answer.body);
  }

  /** Byte for byte, the Host too: a signature covers it. */
  async #forward({ method, target, headers, body }: Asked): Promise<Answer> {
    const { hostname, port } = this.#upstream;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    // The body has come, whatever the client was waiting for before it sent it.
    const { expect: _expect, ...passed } = headers;
    send({ hostname, port, method, path: target, headers: passed }, resolve)
      .once("error", reject)
      .end(body);
    const response = await promise;
    const { "transfer-encoding": _coding, ...answered } = response.headers;
    return {
      status: response.statusCode ?? 502,
      headers: answered,
      body: await buffer(response),
    };
  }

  #shortened(answer: Answer): Answer {
    if (this.#lifeMs === undefined) return answer;
    const expiration = new Date(Date.now() + this.#lifeMs).toISOString();
    const text = answer.body.toString().replace(/<Expiration>[^<]*/, `<Expiration>${expiration}`);
    const body = Buffer.from(text);
    return { ...answer, body, headers: { ...answer.headers, "content-length": `${body.length}` } };
  }

  #remember(form: URLSearchParams, signedBy: string, xml: string): void {
    this.issued.push({
      action: form.get("Action") ?? "",
      roleArn: form.get("RoleArn") ?? "",
      signedBy,
      webIdentityToken: form.get("WebIdentityToken") ?? undefined,
      accessKeyId: textOf(xml, "AccessKeyId"),
      secretAccessKey: textOf(xml, "SecretAccessKey"),
      sessionToken: textOf(xml, "SessionToken"),
      expirationMs: Date.parse(textOf(xml, "Expiration")),
    });
  }
}

/** moto answers 500 now and then when two scenes write to one bucket at once: it is asked one by one. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn<T>(ask: () => Promise<T>): Promise<T> {
  const asked = turn.then(ask);
  turn = asked.catch(() => {
    // Whoever asked is told; the next one's turn comes all the same.
  });
  return asked;
}

interface Asked {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function isForm(headers: IncomingHttpHeaders): boolean {
  return headers["content-type"]?.startsWith("application/x-www-form-urlencoded") ?? false;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};

function textOf(xml: string, element: string): string {
  const [, text = ""] = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml) ?? [];
  return text.trim().replaceAll(/&\w+;/g, (entity) => ENTITIES[entity] ?? entity);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
