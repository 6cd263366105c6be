/** @module The pod service of now: none, one, or the next when a reload changes the way to Kubernetes. */
import { isDeepStrictEqual } from "node:util";
import { procDevices } from "./callers/sandboxes.ts";
import type { AttestPod } from "./callers/proc-attest.ts";
import type { Config, KubernetesSettings } from "./config/types.ts";
import type { CredentialEvent, IdentityToken, RoleSession } from "./credentials/types.ts";
import { CrossroleError, messageOf } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./operations/metrics.ts";
import type { PodsView } from "./operations/view.ts";
import type { PodService } from "./pod-service.ts";

export interface PodServiceHolderOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly attestPod?: AttestPod | undefined;
  readonly obtain: (session: RoleSession) => Promise<unknown>;
  readonly onEnded: () => void;
}

/** A way to Kubernetes that was found; disposed of and not taken, nothing of it stays open. */
interface PreparedPods extends Disposable {
  readonly take: () => void;
}

/** A service that is not started yet. */
interface Opened {
  readonly start: () => PodService;
  readonly close: () => void;
}

export class PodServiceHolder {
  readonly #options: PodServiceHolderOptions;
  #service: PodService | undefined;
  /** What takes its place once it knows the pods. */
  #next: PodService | undefined;
  #settings: KubernetesSettings | undefined;

  constructor(options: PodServiceHolderOptions) {
    this.#options = options;
  }

  /** What serves pods now; undefined while no listener is for them. */
  get current(): PodService | undefined {
    return this.#service;
  }

  /** What is known of the pods; undefined when no listener is for them. */
  seen(): PodsView | undefined {
    return this.#service?.seen();
  }

  readonly identityToken: IdentityToken = async (pod, options) => {
    if (this.#service !== undefined) return await this.#service.identityToken(pod, options);
    throw new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", "no listener is for pods any more");
  };

  onCredentialEvent(event: CredentialEvent): void {
    this.#service?.onCredentialEvent(event);
  }

  /**
   * Finds the way to Kubernetes that `config` asks for, to be taken or disposed of.
   *
   * @throws {@link CrossroleError} `ERR_CONFIG_INVALID`; then everything is as before.
   */
  async prepare(config: Config): Promise<PreparedPods> {
    const isForPods = config.listeners.some(({ kind }) => kind === "pods");
    const settings = isForPods ? config.kubernetes : undefined;
    if (settings === undefined) return prepared(() => this.#stop());
    const reload = () => {
      for (const service of [this.#service, this.#next]) service?.reload(config, settings);
      this.#settings = settings;
    };
    if (this.#service !== undefined && isSameWay(settings, this.#settings)) return prepared(reload);
    const opened = await this.#open(config, settings);
    return prepared(() => {
      reload();
      this.#start(opened.start(), settings);
    }, opened.close);
  }

  close(): void {
    this.#stop();
  }

  #stop(): void {
    this.#service?.close();
    this.#next?.close();
    this.#service = this.#next = this.#settings = undefined;
  }

  /** The one that knows the pods serves them until the next one does. */
  #start(next: PodService, settings: KubernetesSettings): void {
    this.#next?.close();
    this.#next = next;
    this.#settings = settings;
    if (this.#service?.synced !== true) this.#swap(next);
  }

  #swap(next: PodService): void {
    if (this.#next !== next) return;
    this.#service?.close();
    this.#service = next;
    this.#next = undefined;
  }

  async #open(config: Config, settings: KubernetesSettings): Promise<Opened> {
    const { environment, log, metrics } = this.#options;
    // Loaded where pods are served: nobody else's start waits for it.
    const [{ NodeApi }, service] = await Promise.all([
      import("./node-api.ts"),
      import("./pod-service.ts"),
    ]);
    const attestation = this.#options.attestPod === undefined ? "address" : "kernel";
    const api = await NodeApi.open({
      settings,
      environment,
      onProblem: (error) => log.warn("Kubernetes", { reason: messageOf(error) }),
      onAccess: (access) => log.info("watching pods", { access, attestation }),
      now: Date.now,
    });
    const start = () => {
      const pods: PodService = new service.PodService({
        ...this.#options,
        settings,
        config,
        api,
        readDevices: procDevices(),
        onSynced: () => this.#swap(pods),
        now: Date.now,
        monotonicMs: () => performance.now(),
      });
      metrics.observePods(() => ({ count: pods.podCount, contactMs: api.lastContactMs }));
      api.start(pods.apply, pods.told);
      return pods;
    };
    return { start, close: () => api.close() };
  }
}

function prepared(take: () => void, drop: () => void = () => undefined): PreparedPods {
  let isTaken = false;
  return {
    take: () => {
      isTaken = true;
      take();
    },
    [Symbol.dispose]: () => {
      if (!isTaken) drop();
    },
  };
}

/** Whether two configurations reach the same pods in the same way; the rules may differ. */
function isSameWay(one: KubernetesSettings, other: KubernetesSettings | undefined): boolean {
  return isDeepStrictEqual({ ...one, annotations: {} }, { ...other, annotations: {} });
}
