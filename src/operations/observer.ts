/** @module Whoever watches the daemon: the log always; metrics, readiness and the page where a listener has them. */
import type { OnHandOut } from "../callers/types.ts";
import type { Address } from "../config/types.ts";
import type { CredentialEvent } from "../credentials/types.ts";
import type { OnRefused } from "../http/answer.ts";
import type { ListenOptions } from "../http/listener.ts";
import type { RequestCounts } from "../http/request-counts.ts";
import type { Log } from "../log.ts";
import { auditCredentials, auditRefusals, auditSkew } from "./audit.ts";
import type { Desk } from "./desk.ts";
import { HandOuts } from "./hand-outs.ts";
import { createMetrics, NO_METRICS } from "./metrics.ts";
import type { CountedCall, Metrics } from "./metrics.ts";
import type { DaemonView } from "./view.ts";

export interface ObserverOptions {
  readonly log: Log;
  readonly hostname: string;
  /** Of crossrole, and of Node. */
  readonly versions?: { readonly crossrole: string; readonly node: string } | undefined;
}

/** The name of the operations listener in logs and metrics: no address looks like it. */
export const OPERATIONS = "operations";

export class Observer {
  /** What the daemon writes its log to. */
  readonly log: Log;
  readonly metrics: Metrics;
  readonly #desk: Desk | undefined;
  readonly #handOuts: HandOuts;
  readonly #audit: (event: CredentialEvent) => void;
  readonly #auditSkew: (skewMs: number) => void;

  private constructor(log: Log, metrics: Metrics, desk: Desk | undefined) {
    this.log = desk?.log ?? log;
    this.metrics = metrics;
    this.#desk = desk;
    this.#handOuts = desk?.handOuts ?? new HandOuts(this.log, Date.now);
    this.#audit = auditCredentials(this.log);
    this.#auditSkew = auditSkew(this.log);
  }

  /** What only an operations listener needs is loaded for one, and for nobody else. */
  static async open(options: ObserverOptions, hasListener: boolean): Promise<Observer> {
    if (!hasListener) return new Observer(options.log, NO_METRICS, undefined);
    const { Desk: DeskClass } = await import("./desk.ts");
    // Known as soon as there is a desk, which is told by whom first.
    const isConfigured = (roleArn: string) => desk.isConfigured(roleArn);
    const metrics = await createMetrics(isConfigured);
    const desk = new DeskClass({ ...options, metrics, now: Date.now });
    return new Observer(options.log, metrics, desk);
  }

  /** What the routes count with; undefined while nobody asks. */
  get counts(): RequestCounts | undefined {
    return this.#desk?.counts;
  }

  /** From now on `view` is what is looked at. */
  observe(view: DaemonView): void {
    this.#desk?.observe(view);
  }

  onRefused(listener: string): OnRefused {
    const audit = auditRefusals(this.log, listener, Date.now);
    return (reason, asked) => {
      audit(reason, asked);
      this.metrics.refused(listener, reason);
    };
  }

  onHandOut(listener: string): OnHandOut {
    return this.#handOuts.at(listener);
  }

  readonly onCredentials = (event: CredentialEvent): void => {
    this.#audit(event);
    this.metrics.credentials(event);
    this.#desk?.onCredentials(event);
  };

  readonly onStsCall = (call: CountedCall): void => {
    this.metrics.stsCall(call);
    this.#desk?.onStsCall(call);
  };

  readonly onSkew = (skewMs: number): void => {
    this.#auditSkew(skewMs);
    this.#desk?.onSkew(skewMs);
  };

  /** A configuration is in force. */
  reloaded(): void {
    this.metrics.reloaded(true);
    this.#desk?.reloaded();
  }

  /** A changed configuration is not: the one before stays. */
  refusedReload(error: unknown): void {
    this.metrics.reloaded(false);
    this.#desk?.refusedReload(error);
  }

  /** What to listen with for operations; undefined in a daemon that was started without. */
  listenOptions(address: Address): ListenOptions | undefined {
    return this.#desk?.listenOptions(address, this.onRefused(OPERATIONS));
  }

  /** Whoever watches live is sent home. */
  close(): void {
    this.metrics.close();
    this.#desk?.close();
  }
}
