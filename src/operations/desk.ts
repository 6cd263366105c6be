/** @module What an operations listener needs: notes of what happened, and answers to how things are. */
import type { Address } from "../config/types.ts";
import type { CredentialEvent } from "../credentials/types.ts";
import type { OnRefused } from "../http/answer.ts";
import type { ListenOptions } from "../http/listener.ts";
import { RequestCounts } from "../http/request-counts.ts";
import type { Log } from "../log.ts";
import { operationsListener } from "./app.ts";
import { HandOuts } from "./hand-outs.ts";
import { Live } from "./live.ts";
import type { CountedCall, Metrics } from "./metrics.ts";
import type { ObserverOptions } from "./observer.ts";
import { ObtainedOnce, roleUnready, unready } from "./readiness.ts";
import { RecentLines } from "./recent-lines.ts";
import { reportOf } from "./report.ts";
import type { ReloadNotes } from "./report.ts";
import type { Observed } from "./state-gauges.ts";
import type { StatusReport } from "./status.ts";
import type { DaemonView } from "./view.ts";

export interface DeskOptions extends ObserverOptions {
  readonly metrics: Metrics;
  readonly now: () => number;
}

export class Desk {
  readonly counts = new RequestCounts();
  readonly handOuts: HandOuts;
  readonly #options: DeskOptions;
  readonly #recent: RecentLines;
  readonly #live = new Live();
  readonly #obtained = new ObtainedOnce(() => this.#view);
  readonly #startedMs: number;
  #view: DaemonView | undefined;
  #arns: ReadonlySet<string> = new Set();
  #reload: ReloadNotes;
  #clockSkewMs = 0;
  #stsCalls = 0;
  #stsFailures = 0;

  constructor(options: DeskOptions) {
    this.#options = options;
    const { log, now } = options;
    this.#startedMs = now();
    this.#reload = { takenOverMs: now(), refused: undefined };
    this.#recent = new RecentLines(log, now);
    this.handOuts = new HandOuts(this.log, now);
  }

  /** Writes to the log, and keeps what the page shows of it. */
  get log(): Log {
    return this.#recent.log;
  }

  observe(view: DaemonView): void {
    this.#view = view;
    this.#options.metrics.observe(() => this.#observed(view));
  }

  /** Whether a role of the configuration, or a hop of one, has this ARN. */
  isConfigured(roleArn: string): boolean {
    return this.#arns.has(roleArn);
  }

  onCredentials(event: CredentialEvent): void {
    this.#obtained.onEvent(event);
  }

  onStsCall({ code }: CountedCall): void {
    this.#stsCalls++;
    if (code !== "OK") this.#stsFailures++;
  }

  onSkew(skewMs: number): void {
    this.#clockSkewMs = skewMs;
  }

  reloaded(): void {
    const view = this.#seen();
    const { roles } = view.config();
    this.#reload = { takenOverMs: this.#options.now(), refused: undefined };
    this.#obtained.retain([...roles.keys()].map((name) => view.sessionOf(name)));
    const assumed = [...roles.values()].flatMap((role) => [role, role.via].flat());
    this.#arns = new Set(assumed.map(({ arn }) => arn));
  }

  refusedReload(error: unknown): void {
    this.#reload = { ...this.#reload, refused: { atMs: this.#options.now(), error } };
  }

  listenOptions(address: Address, onRefused: OnRefused): ListenOptions {
    const { counts, metrics } = { ...this.#options, counts: this.counts };
    return operationsListener(address, {
      metrics,
      counts,
      live: this.#live,
      onRefused,
      unhealthy: () =>
        this.#seen()
          .listeners()
          .filter(({ isUp }) => !isUp)
          .map(({ key }) => `listener ${key} is not open`),
      unready: () => unready(this.#seen(), this.#obtained.has),
      roleUnready: (name) => this.#roleUnready(name),
      report: () => this.#report(),
    });
  }

  close(): void {
    this.#live.close();
  }

  #roleUnready(name: string): string | undefined | null {
    const view = this.#seen();
    const isServed = view.listeners().some(({ roles }) => roles.includes(name));
    return isServed ? roleUnready(name, view, this.#obtained.has) : null;
  }

  #report(): StatusReport {
    const { hostname, now } = this.#options;
    const notes = {
      ...this.#versions(),
      hostname,
      startedMs: this.#startedMs,
      obtained: this.#obtained.has,
      reload: this.#reload,
      clockSkewMs: this.#clockSkewMs,
      stsCalls: this.#stsCalls,
      stsFailures: this.#stsFailures,
      saved: this.handOuts.saved,
      handOuts: this.handOuts.current(),
      recent: this.#recent.lines,
    };
    return reportOf(this.#seen(), notes, now());
  }

  #observed(view: DaemonView): Observed {
    const served = new Set(view.listeners().flatMap(({ roles }) => roles));
    const roles = this.#report().roles.filter(({ name }) => served.has(name));
    return {
      ...this.#versions(),
      startedMs: this.#startedMs,
      isReady: unready(view, this.#obtained.has).length === 0,
      roles: roles.map(({ name, state, ready, chain }) => {
        const expiration = chain.at(-1)?.held?.expiration;
        const expirationMs = expiration === undefined ? undefined : Date.parse(expiration);
        return { name, state, isReady: ready, expirationMs };
      }),
      listeners: view.listeners(),
      sessions: view.sessionCount(),
      requests: this.counts.read(),
      saved: this.handOuts.saved,
      clockSkewMs: this.#clockSkewMs,
      reload: {
        takenOverMs: this.#reload.takenOverMs,
        isRefused: this.#reload.refused !== undefined,
      },
    };
  }

  #versions() {
    const { crossrole = "unknown", node = "unknown" } = this.#options.versions ?? {};
    return { version: crossrole, node };
  }

  /** The daemon is there before its listeners are. */
  #seen(): DaemonView {
    if (this.#view === undefined) throw new TypeError("the desk is asked before it can look");
    return this.#view;
  }
}
