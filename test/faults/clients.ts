/** @module Clients that ask as SDKs do and judge each answer by what STS has issued and by their own clock. */
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { FakeSts } from "../support/fake-sts.ts";

const LIST = "/latest/meta-data/iam/security-credentials/";
const TOKEN_HEADER = "X-aws-ec2-metadata-token";
const TOKEN_SECONDS = 21_600;
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const FIELDS = "Code,LastUpdated,Type,AccessKeyId,SecretAccessKey,Token,Expiration";

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Document {
  readonly Code: string;
  readonly LastUpdated: string;
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly Token: string;
  readonly Expiration: string;
}

export interface ClientOptions {
  readonly url: () => string;
  /** What an answer must be of. */
  readonly issued: () => FakeSts["issued"];
  readonly roleArn: string;
  readonly keepAlive: boolean;
  /** Keeps its metadata token for as long as it lives, as Go does; else asks for one each time. */
  readonly keepsToken: boolean;
}

/** One client, of one habit. */
export class Client {
  readonly #options: ClientOptions;
  readonly #agent: Agent | false;
  #token: { readonly value: string; readonly expiresMs: number } | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#agent = options.keepAlive ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
  }

  /** Token, list and credentials. @throws Error that says which answer is wrong, and why. */
  async ask(): Promise<Document> {
    const role = await this.#get(LIST);
    const document = JSON.parse(await this.#get(`${LIST}${role}`)) as Document;
    const wrong = this.#wrongIn(document);
    if (wrong !== undefined) throw new Error(`credentials: ${wrong}`);
    return document;
  }

  close(): void {
    if (this.#agent !== false) this.#agent.destroy();
  }

  /** Asks once more with a new token when the one that it kept is no longer good. */
  async #get(target: string): Promise<string> {
    const isKept = this.#options.keepsToken && this.#token !== undefined;
    let answer = await this.#send("GET", target, { [TOKEN_HEADER]: await this.#held() });
    if (answer.status === 401 && isKept) {
      this.#token = undefined;
      answer = await this.#send("GET", target, { [TOKEN_HEADER]: await this.#held() });
    }
    if (answer.status !== 200) throw new Error(`${target}: ${answer.status} ${answer.body}`);
    return answer.body;
  }

  async #held(): Promise<string> {
    if (this.#options.keepsToken && this.#token !== undefined && this.#token.expiresMs > Date.now())
      return this.#token.value;
    const ttl = { "X-aws-ec2-metadata-token-ttl-seconds": String(TOKEN_SECONDS) };
    const { status, body } = await this.#send("PUT", "/latest/api/token", ttl);
    if (status !== 200) throw new Error(`token: ${status} ${body}`);
    this.#token = { value: body, expiresMs: Date.now() + TOKEN_SECONDS * 1_000 };
    return body;
  }

  /** @throws Error when the connection ends before the answer does. */
  async #send(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
    const { hostname: host, port } = new URL(this.#options.url());
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    request({ host, port, path, method, headers, agent: this.#agent }, resolve)
      .once("error", reject)
      .end();
    const incoming = await promise;
    return { status: incoming.statusCode ?? 0, body: await text(incoming) };
  }

  #wrongIn(document: Document): string | undefined {
    const { AccessKeyId: id, Expiration, LastUpdated } = document;
    if (Object.keys(document).join() !== FIELDS)
      return `the fields ${Object.keys(document).join()}`;
    if (document.Code !== "Success") return `Code ${document.Code}`;
    for (const date of [Expiration, LastUpdated]) if (!DATE.test(date)) return `the date ${date}`;
    if (Date.parse(Expiration) <= Date.now()) return `expired at ${Expiration}`;
    const issued = this.#options.issued().find(({ accessKeyId }) => accessKeyId === id);
    if (issued === undefined) return `${id} was never issued`;
    if (issued.roleArn !== this.#options.roleArn) return `${id} is of ${issued.roleArn}`;
    const isWhole =
      document.SecretAccessKey === issued.secretAccessKey && document.Token === issued.sessionToken;
    return isWhole ? undefined : `${id} with secrets of another generation`;
  }
}

/** Several clients of every habit. */
export class Load {
  /** What was wrong with an answer, in the order of arrival. */
  readonly errors: string[] = [];
  answers = 0;
  /** The least life that credentials had left when they were given. */
  leastLifeMs = Infinity;
  readonly #clients: readonly Client[];

  constructor(options: Pick<ClientOptions, "url" | "issued" | "roleArn">) {
    this.#clients = [
      new Client({ ...options, keepAlive: true, keepsToken: false }),
      new Client({ ...options, keepAlive: true, keepsToken: true }),
      new Client({ ...options, keepAlive: false, keepsToken: false }),
      new Client({ ...options, keepAlive: false, keepsToken: true }),
    ];
  }

  /** Every client asks once. @returns the access key ids that they were given. */
  async round(): Promise<string[]> {
    const asked = this.#clients.map(async (client) => {
      try {
        const { AccessKeyId, Expiration } = await client.ask();
        this.answers++;
        this.leastLifeMs = Math.min(this.leastLifeMs, Date.parse(Expiration) - Date.now());
        return [AccessKeyId];
      } catch (error) {
        this.errors.push(error instanceof Error ? error.message : String(error));
        return [];
      }
    });
    return (await Promise.all(asked)).flat();
  }

  /** Every client asks again and again until `signal`. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.round();
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
