/** @module Simulated time around a real daemon, a fake STS and clients that speak real HTTP. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ClientRequest, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { vi } from "vitest";
import type { Config } from "../../src/config/types.ts";
import { GATEWAY, ORDERS_READER, oneRole, start } from "../support/daemon.ts";
import type { Started } from "../support/daemon.ts";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FakeKey, FakeSts } from "../support/fake-sts.ts";
import { Load } from "./clients.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** What every random number is: a back-off is the middle of its range, and no run differs from another. */
export const RANDOM = 0.5;

// Thousands of real requests, on a machine that may be busy with others.
vi.setConfig({ testTimeout: 90_000 });

const START = new Date("2026-11-02T12:00:00Z");

/** Turns of the event loop in which nothing happens, until all is taken to be quiet. */
const CALM_TURNS = 4;
const LIMIT_MS = 10_000;

/** How long the clients leave the daemon alone when nothing happens, in simulated time. */
const PERIOD_MS = 2 * MINUTE;

const realNow = performance.now.bind(performance);

interface Parts {
  readonly sts: FakeSts;
  readonly key: FakeKey;
  readonly wire: Wire;
  readonly config: Config;
  readonly started: Started;
}

/**
 * A machine whose two clocks stand still until a test moves them. Sockets go on working: Node's own
 * timers are not those of the globals.
 */
export class Simulation implements AsyncDisposable {
  readonly load: Load;
  #sts: FakeSts;
  readonly #started: Started;
  readonly #config: Config;
  readonly #key: FakeKey;
  readonly #wire: Wire;
  readonly #past: FakeSts[] = [];
  #startMs = 0;
  #nextRoundMs = 0;
  #events = 0;

  private constructor(roleArn: string, { sts, key, wire, config, started }: Parts) {
    this.#sts = sts;
    this.#key = key;
    this.#wire = wire;
    this.#config = config;
    this.#started = started;
    const issued = () => [...this.#past, this.#sts].flatMap((one) => one.issued);
    wire.arrived = () => this.#arrived;
    this.load = new Load({ url: () => this.#started.url, issued, roleArn });
  }

  /** Starts the daemon, with a base key in its environment; `prepare` adds roles to the STS and says what is configured. */
  static async start(
    roleArn: string,
    prepare: (sts: FakeSts) => Config | Promise<Config>,
  ): Promise<Simulation> {
    vi.useFakeTimers({
      now: START,
      toFake: ["Date", "performance", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
    });
    vi.spyOn(Math, "random").mockReturnValue(RANDOM);
    const sts = await startFakeSts();
    const key = sts.addKey();
    vi.stubEnv("AWS_ACCESS_KEY_ID", key.accessKeyId);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", key.secretAccessKey);
    vi.stubEnv("AWS_SESSION_TOKEN", undefined);
    const wire = new Wire(Number(new URL(sts.url).port));
    const prepared = await prepare(sts);
    // Whose a connection is, is asked of the kernel, which takes its time: it is no matter here.
    const listeners = prepared.listeners.map((one) => ({ ...one, allowUsers: "any" as const }));
    const config = { ...prepared, listeners };
    const started = await start(config);
    return new Simulation(roleArn, { sts, key, wire, config, started });
  }

  get sts(): FakeSts {
    return this.#sts;
  }

  /** What the daemon was started with. */
  get config(): Config {
    return this.#config;
  }

  get log(): Started["log"] {
    return this.#started.log;
  }

  get daemon(): Started["daemon"] {
    return this.#started.daemon;
  }

  /** Waits until every role is held, and counts time from then on. */
  async warm(): Promise<void> {
    await Promise.all(this.daemon.served.map(({ roleName }) => this.daemon.credentials(roleName)));
    await this.quiet();
    await this.load.round();
    this.#startMs = performance.now();
  }

  /** Seconds since {@link warm}, by the clock that nobody sets. */
  get seconds(): number {
    return (performance.now() - this.#startMs) / SECOND;
  }

  /** When each call to STS for `roleArn` arrived: seconds by the wall clock since the start. */
  calls(roleArn: string): number[] {
    return [...this.#past, this.#sts]
      .flatMap((one) => one.calls)
      .filter(({ parameters }) => parameters["RoleArn"] === roleArn)
      .map(({ timeMs }) => (timeMs - START.getTime()) / SECOND);
  }

  /** The access key id that STS has issued last for `roleArn`. */
  newest(roleArn: string): string | undefined {
    return this.#sts.issued.findLast((one) => one.roleArn === roleArn)?.accessKeyId;
  }

  /** Time passes on both clocks, timer by timer, under the load of the clients. */
  async pass(ms: number): Promise<void> {
    await this.#pass(ms, () => this.#ask());
    await this.load.round();
    await this.quiet();
  }

  /** The same, and nobody asks. */
  async idle(ms: number): Promise<void> {
    await this.#pass(ms, () => Promise.resolve());
  }

  /** Time passes until it is `seconds` since {@link warm}. */
  async passUntil(seconds: number): Promise<void> {
    await this.pass((seconds - this.seconds) * SECOND);
  }

  /** The wall clock is set `ms` ahead (back, when negative), or the machine slept for that long. */
  jump(ms: number): void {
    vi.setSystemTime(Date.now() + ms);
  }

  /** STS is gone: its port refuses. */
  async stopSts(): Promise<void> {
    await this.#sts.close();
  }

  /** It is back, at the same address. It knows the base key, and the roles that are given to it. */
  async restartSts(): Promise<FakeSts> {
    this.#past.push(this.#sts);
    this.#sts = await startFakeSts({ port: Number(new URL(this.#sts.url).port) });
    this.#sts.addKey(this.#key);
    return this.#sts;
  }

  /** Settles when everything has happened that waits for no timer. */
  async quiet(): Promise<void> {
    const limitMs = realNow() + LIMIT_MS;
    let calm = 0;
    while (calm < CALM_TURNS) {
      if (realNow() > limitMs) throw new Error(`it does not get quiet: ${this.#wire.state()}`);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      const isBusy = this.#wire.isBusy() || isReading();
      calm = isBusy ? 0 : calm + 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wire.close();
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    this.load.close();
    await this.daemon.close();
    await this.#sts.close();
  }

  get #arrived(): number {
    return [...this.#past, this.#sts].reduce((sum, { calls }) => sum + calls.length, 0);
  }

  async #pass(ms: number, meanwhile: () => Promise<void>): Promise<void> {
    await this.quiet();
    const end = { reached: false };
    setTimeout(() => {
      end.reached = true;
    }, ms);
    while (!end.reached) {
      await vi.advanceTimersToNextTimerAsync();
      await this.quiet();
      await meanwhile();
    }
  }

  async #ask(): Promise<void> {
    const events = this.#arrived + this.log.lines.length;
    if (events === this.#events && performance.now() < this.#nextRoundMs) return;
    this.#events = events;
    this.#nextRoundMs = performance.now() + PERIOD_MS;
    await this.load.round();
    await this.quiet();
  }
}

/** What is configured: a role behind a gateway. */
export function behindGateway(sts: FakeSts): Config {
  sts.addRole({ arn: GATEWAY });
  sts.addRole({ arn: ORDERS_READER, trusts: [GATEWAY] });
  return oneRole(sts);
}

/** The same role, assumed with the base key itself. */
export function withoutHop(sts: FakeSts): Config {
  sts.addRole({ arn: ORDERS_READER });
  const config = oneRole(sts);
  const roles = [...config.roles].map(([name, role]) => [name, { ...role, via: [] }] as const);
  return { ...config, roles: new Map(roles) };
}

/** Whether a file is being read or written. */
function isReading(): boolean {
  return process.getActiveResourcesInfo().some((resource) => /^(?:FSReq|CloseReq)/.test(resource));
}

/** What is under way between the daemon and STS, counted at both ends. */
class Wire {
  readonly #port: number;
  /** How many requests have arrived whole at STS. */
  arrived: () => number = () => 0;
  #sent = 0;
  #settled = 0;
  #answered = 0;

  constructor(port: number) {
    this.#port = port;
    subscribe("http.client.request.start", this.#onSent);
    subscribe("http.server.request.start", this.#onArrived);
  }

  close(): void {
    unsubscribe("http.client.request.start", this.#onSent);
    unsubscribe("http.server.request.start", this.#onArrived);
  }

  /** What STS holds back waits for a timer; everything else is on its way. */
  isBusy(): boolean {
    const open = this.#sent - this.#settled;
    const heldBySts = this.arrived() - this.#answered;
    return open !== heldBySts;
  }

  state(): string {
    const counts = { sent: this.#sent, settled: this.#settled, answered: this.#answered };
    return JSON.stringify({ ...counts, arrived: this.arrived() });
  }

  readonly #onSent = (message: unknown) => {
    const { request } = message as { request: ClientRequest };
    if (!String(request.getHeader("host")).endsWith(`:${this.#port}`)) return;
    this.#sent++;
    request.once("close", () => this.#settled++);
  };

  readonly #onArrived = (message: unknown) => {
    const { response, socket } = message as { response: ServerResponse; socket: Socket };
    if (socket.localPort !== this.#port) return;
    response.once("close", () => this.#answered++);
  };
}
