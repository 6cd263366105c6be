/** @module Clients that go on asking at a steady rate, whatever happens to the daemon, and judge every answer. */
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { FakeSts } from "../support/fake-sts.ts";

const CREDENTIALS = "/latest/meta-data/iam/security-credentials/";
const FIELDS = "Code,LastUpdated,Type,AccessKeyId,SecretAccessKey,Token,Expiration";

/** Against what hangs: how long clients wait for a restart depends on the machine, and is no failure here. */
const ANSWER_MS = 30_000;
const TICK_MS = 2;
const KEPT_CONNECTIONS = 10;
/**
 * As many clients as ask within half a second; one that waits for its answer asks nothing else. With ever
 * more of them, a machine too busy to start a daemon within seconds would have more connections wait than
 * it allows to one peer (the rest is reset), and more requests than it can answer in the 3 s of a drain:
 * overload, which is not the subject here.
 */
const CLIENTS = 250;
/** One in ten asks for a token, as a client does that starts; one in ten for the list. */
const TOKEN_EVERY = 10;

export interface LoadOptions {
  readonly url: string;
  readonly role: string;
  /** Obtained before the first restart; every request shows it. */
  readonly token: string;
  readonly issued: () => FakeSts["issued"];
  readonly requestsPerSecond: number;
  /**
   * Whether a request whose connection was reset without an answer is sent once more, on a connection
   * of its own, as clients do.
   */
  readonly retriesOnce: boolean;
}

export interface Report {
  requests: number;
  /** How many of them failed, by what was wrong. */
  readonly failures: Record<string, number>;
  /** How many were sent once more. */
  retries: number;
  /** How many were on a connection of their own, and on one that was kept. */
  readonly connections: { fresh: number; kept: number };
  slowestMs: number;
}

interface Wanted {
  readonly method: "GET" | "PUT";
  readonly path: string;
  readonly check: (body: string) => string | undefined;
}

export class Load {
  readonly report: Report = {
    requests: 0,
    failures: {},
    retries: 0,
    connections: { fresh: 0, kept: 0 },
    slowestMs: 0,
  };
  readonly #options: LoadOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: KEPT_CONNECTIONS });
  readonly #pending = new Set<Promise<void>>();
  #answered = 0;
  #looked: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Starts to ask at the rate, or as quickly as the clients are answered. */
  start(): void {
    const intervalMs = 1_000 / this.#options.requestsPerSecond;
    let dueMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      for (; dueMs <= nowMs; dueMs += intervalMs) {
        // What no client was free for is not made up for later.
        if (this.#pending.size < CLIENTS) this.#ask();
      }
    }, TICK_MS);
  }

  /** Resolves when whoever has asked before has an answer, and `count` others that have asked since. */
  async goneOn(count: number): Promise<void> {
    await Promise.all(this.#pending);
    const enough = this.#answered + count;
    while (this.#answered < enough) await sleep(TICK_MS);
  }

  /** Asks no more, and waits for what has been asked. */
  async stop(): Promise<Report> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    this.#agent.destroy();
    return this.report;
  }

  #ask(): void {
    const number = this.report.requests++;
    const isFresh = number % 2 === 0;
    this.report.connections[isFresh ? "fresh" : "kept"]++;
    // Both kinds of connections ask for everything.
    const asked = this.#askFor(this.#wanted(Math.floor(number / 2)), isFresh).finally(() => {
      this.#pending.delete(asked);
      this.#answered++;
    });
    this.#pending.add(asked);
  }

  async #askFor(wanted: Wanted, isFresh: boolean): Promise<void> {
    const startedMs = performance.now();
    const fault =
      (await this.#send(wanted, isFresh ? false : this.#agent).catch((error: unknown) =>
        this.#again(wanted, error, isFresh),
      )) ?? undefined;
    this.report.slowestMs = Math.max(this.report.slowestMs, performance.now() - startedMs);
    if (fault === undefined) return;
    this.report.failures[fault] = (this.report.failures[fault] ?? 0) + 1;
  }

  async #again(wanted: Wanted, error: unknown, isFresh: boolean): Promise<string | undefined> {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!this.#options.retriesOnce || code !== "ECONNRESET") {
      return `no answer on a ${isFresh ? "new" : "kept"} connection: ${code} ${String(error)}`;
    }
    this.report.retries++;
    return await this.#send(wanted, false).catch(
      (again: unknown) => `no answer twice: ${String(again)}`,
    );
  }

  /**
   * Clients look whether a kept connection is still open right before they use it. A busy event loop
   * would have looked some requests ago: each has a turn of it to itself.
   */
  async #look(): Promise<void> {
    this.#looked = this.#looked.then(() => nextTurn());
    await this.#looked;
  }

  /** What is wrong with the answer. @throws when there is none. */
  async #send({ method, path, check }: Wanted, agent: Agent | false): Promise<string | undefined> {
    await this.#look();
    const { url, token } = this.#options;
    const { hostname: host, port } = new URL(url);
    const headers = {
      "X-aws-ec2-metadata-token": token,
      Connection: "keep-alive",
      ...(method === "PUT" ? { "X-aws-ec2-metadata-token-ttl-seconds": "21600" } : {}),
    };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = request({ host, port, path, method, headers, agent }, resolve);
    const timer = setTimeout(() => outgoing.destroy(new Error("30 s are over")), ANSWER_MS);
    outgoing.once("error", reject).end();
    try {
      const incoming = await promise;
      const { socket } = incoming;
      const body = await text(incoming);
      // Closed in order, each would stay in the kernel's table of sockets for a minute.
      if (agent === false) socket.resetAndDestroy();
      if (incoming.statusCode !== 200) return `${method} ${path}: ${incoming.statusCode}`;
      return check(body);
    } finally {
      clearTimeout(timer);
    }
  }

  #wanted(number: number): Wanted {
    const { role } = this.#options;
    if (number % TOKEN_EVERY === 0) {
      return { method: "PUT", path: "/latest/api/token", check: faultInToken };
    }
    if (number % TOKEN_EVERY === 1) {
      const check = (body: string) => (body === role ? undefined : "not the role's name");
      return { method: "GET", path: CREDENTIALS, check };
    }
    const check = (body: string) => this.#faultIn(body);
    return { method: "GET", path: `${CREDENTIALS}${role}`, check };
  }

  #faultIn(body: string): string | undefined {
    const document = parse(body);
    if (Object.keys(document).join() !== FIELDS) return "a malformed document";
    if (document["Code"] !== "Success") return "a document without success";
    if (!(Date.parse(document["Expiration"] ?? "") > Date.now())) return "expired credentials";
    const issued = this.#options
      .issued()
      .find(({ accessKeyId }) => accessKeyId === document["AccessKeyId"]);
    const isWhole =
      issued?.secretAccessKey === document["SecretAccessKey"] &&
      issued?.sessionToken === document["Token"];
    return isWhole ? undefined : "credentials that STS has not issued so";
  }
}

function faultInToken(body: string): string | undefined {
  return /^[\w-]{40,}$/.test(body) ? undefined : "no token";
}

function parse(body: string): Record<string, string> {
  try {
    return JSON.parse(body) as Record<string, string>;
  } catch {
    return {};
  }
}
