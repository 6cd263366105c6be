/** @module Everything behind a `pods` listener: who the node's pods are, their sessions, and what they are told. */
import { LiveLooks } from "./callers/live-looks.ts";
import type { AttestPod } from "./callers/proc-attest.ts";
import { isLive, PodIndex } from "./callers/pod-index.ts";
import { PodSessions } from "./callers/pod-sessions.ts";
import type { RoleRules } from "./callers/associations.ts";
import { PodCallers } from "./callers/pods.ts";
import { Sandboxes } from "./callers/sandboxes.ts";
import type { ReadDevices } from "./callers/sandboxes.ts";
import type { CallerSession, Peer } from "./callers/types.ts";
import type { Config, KubernetesSettings } from "./config/types.ts";
import type { CredentialEvent, IdentityToken, RoleSession } from "./credentials/types.ts";
import { CrossroleError } from "./errors.ts";
import { normalAddress } from "./kubernetes/address.ts";
import type { Pod } from "./kubernetes/pod.ts";
import type { PodChange } from "./kubernetes/reflector.ts";
import type { NodeApi } from "./node-api.ts";
import type { PodsView } from "./operations/view.ts";
import { PodTokens } from "./pod-tokens.ts";
import { Prefetch } from "./prefetch.ts";

/** How often pods are looked for whose grace or annotation has ended without a word of it: their sessions end within 60 s. */
const SWEEP_MS = 10_000;

export interface PodServiceOptions {
  readonly settings: KubernetesSettings;
  readonly config: Config;
  readonly hostname: string;
  readonly api: NodeApi;
  readonly attestPod?: AttestPod | undefined;
  readonly readDevices: ReadDevices;
  /** Obtains credentials and keeps them, as for somebody who asks. */
  readonly obtain: (session: RoleSession) => Promise<unknown>;
  /** The pods of the node are known from now on. */
  readonly onSynced: () => void;
  /** Pods have ended: their sessions are not wanted any more. */
  readonly onEnded: () => void;
  readonly now: () => number;
  readonly monotonicMs: () => number;
}

export class PodService {
  readonly #options: PodServiceOptions;
  readonly #index: PodIndex;
  readonly #callers: PodCallers;
  readonly #sandboxes: Sandboxes;
  readonly #sessions: PodSessions;
  readonly #tokens: PodTokens;
  readonly #prefetch: Prefetch<string>;
  /** Pods whose credentials have been asked for ahead of them: once each, so that the idle ones lapse. */
  readonly #seen = new Set<string>();
  readonly #sweep: NodeJS.Timeout;
  #ending: NodeJS.Immediate | undefined;
  #rules: RoleRules;

  constructor(options: PodServiceOptions) {
    this.#options = options;
    const { api, config, settings, now, monotonicMs } = options;
    const index = new PodIndex(now);
    this.#index = index;
    const find = async (pod: Pick<Pod, "namespace" | "name">) => {
      const [found] = await api.list({ namespace: pod.namespace, name: pod.name });
      return found;
    };
    const listAt = (address: string) => api.list({ address });
    const listAll = () => api.list({});
    const looks = new LiveLooks({ index, listAt, listAll, find, monotonicMs });
    const isCurrent = () => api.isCurrent;
    const { readDevices } = options;
    this.#sandboxes = new Sandboxes({ index, isCurrent, readDevices, now, monotonicMs });
    const { attestPod: attest } = options;
    this.#callers = new PodCallers({
      index,
      looks,
      isCurrent,
      sandboxes: this.#sandboxes,
      attest,
      normalAddress,
      now,
      monotonicMs,
    });
    this.#rules = rulesOf(config, settings);
    this.#sessions = new PodSessions({
      ...options,
      node: api.node,
      rules: () => this.#rules,
      ownerAnnotations: api.ownerAnnotations,
    });
    const { audience } = settings;
    const { requestToken, reviewToken } = api;
    this.#tokens = new PodTokens({
      index,
      audience,
      requestToken,
      reviewToken,
      find,
      now,
      monotonicMs,
    });
    this.#prefetch = new Prefetch((uid) => this.#obtain(uid));
    index.listen((change) => this.#changed(change));
    this.#sweep = setInterval(() => {
      this.#endGone();
      this.#sessions.refresh((uid) => this.#index.get(uid));
    }, SWEEP_MS).unref();
  }

  /** What the API server tells is told to this. */
  readonly apply = (change: PodChange): void => {
    const wasSynced = this.#index.synced;
    this.#index.apply(change);
    this.#sandboxes.told();
    if (this.#index.synced && !wasSynced) this.#options.onSynced();
  };

  /** The watch is there, and has told all there was. */
  readonly told = (): void => this.#sandboxes.told();

  /** The port {@link IdentityToken}. */
  readonly identityToken: IdentityToken = (pod, options) =>
    this.#tokens.identityToken(pod, options);

  /** Whether the pods of the node are known. */
  get synced(): boolean {
    return this.#index.synced;
  }

  /** What is known of the pods that live, and of their roles. */
  seen(): PodsView {
    const { api, now } = this.#options;
    const roles = this.#sessions.decided();
    const pods = [...this.#index.pods()].filter((pod) => isLive(pod, now()));
    return {
      isKnown: this.#index.synced,
      contactMs: api.lastContactMs,
      pods: pods.map(({ uid, namespace, name, serviceAccount }) => {
        const caller = roles.get(uid);
        const role = caller && { name: caller.roleName, session: caller.session };
        return { uid, namespace, name, serviceAccount, role };
      }),
    };
  }

  get podCount(): number {
    return this.#index.size;
  }

  /** The sessions of every pod that has one. */
  sessions(): RoleSession[] {
    return this.#sessions.sessions();
  }

  /**
   * The session of the pod behind a connection.
   *
   * @throws {@link CrossroleError} of {@link PodCallers} and {@link PodSessions}.
   */
  readonly sessionFor = (peer: Peer): CallerSession | Promise<CallerSession> => {
    const pod = this.#callers.identify(peer);
    return pod instanceof Promise
      ? pod.then((found) => this.#sessionOf(found))
      : this.#sessionOf(pod);
  };

  /**
   * The session of the pod whose own token this is.
   *
   * @throws {@link CrossroleError} of {@link PodTokens} and {@link PodSessions}.
   */
  readonly sessionForToken = async (token: string): Promise<CallerSession> =>
    await this.#sessionOf(await this.#tokens.podOf(token));

  /** Takes over a configuration with the same way to Kubernetes. */
  reload(config: Config, settings: KubernetesSettings): void {
    this.#rules = rulesOf(config, settings);
    this.#seen.clear();
    this.#prefetchNew(this.#index.pods());
  }

  /** What IAM refuses is said where whoever owns the pod looks first. */
  onCredentialEvent(event: CredentialEvent): void {
    if (event.type !== "failed" || !(event.error instanceof CrossroleError)) return;
    const { code, message } = event.error;
    // What the API server denies to the daemon is none of the pod's affair.
    if (code !== "ERR_ROLE_DENIED") return;
    for (const pod of this.#sessions.podsBehind(event.source)) {
      this.#options.api.record(pod, { reason: "CredentialsRefused", message });
    }
  }

  close(): void {
    clearInterval(this.#sweep);
    clearImmediate(this.#ending);
    this.#prefetch.close();
    this.#options.api.close();
  }

  #sessionOf(pod: Pod): CallerSession | Promise<CallerSession> {
    try {
      const session = this.#sessions.sessionFor(pod);
      return session instanceof Promise ? session.catch(this.#refused(pod)) : session;
    } catch (error) {
      return this.#refused(pod)(error);
    }
  }

  #refused(pod: Pod): (error: unknown) => never {
    return (error) => {
      if (error instanceof CrossroleError && error.code === "ERR_ROLE_UNASSOCIATED") {
        this.#options.api.record(pod, { reason: "NoRole", message: error.message });
      }
      throw error;
    };
  }

  #changed(change: PodChange): void {
    if (change.type === "applied") this.#prefetchNew([change.pod]);
    if (change.type === "replaced") {
      for (const pod of change.pods) this.#decide(pod);
      this.#prefetchNew(change.pods);
    }
    if (change.type !== "applied" || !isLive(change.pod, this.#options.now())) this.#endGoneSoon();
  }

  /** After whatever brought the news: a request that found a pod gone is still to say so. */
  #endGoneSoon(): void {
    if (this.#ending !== undefined) return;
    this.#ending = setImmediate(() => {
      this.#ending = undefined;
      this.#endGone();
    });
  }

  /** So that what is held for it is known to be wanted before its turn has come. */
  #decide(pod: Pod): void {
    if (pod.hostNetwork || !isLive(pod, this.#options.now())) return;
    try {
      Promise.resolve(this.#sessions.sessionFor(pod)).catch(() => {
        // No role, or none that can be told yet: nothing is held for it either.
      });
    } catch {
      // The same, at once.
    }
  }

  /** A pod is known as soon as it is bound, seconds before anything in it can ask. */
  #prefetchNew(pods: Iterable<Pod>): void {
    for (const { uid, hostNetwork } of pods) {
      if (hostNetwork || this.#seen.has(uid)) continue;
      this.#seen.add(uid);
      this.#prefetch.add(uid);
    }
  }

  async #obtain(uid: string): Promise<void> {
    const { now, obtain } = this.#options;
    const pod = this.#index.get(uid);
    if (pod === undefined || !isLive(pod, now())) return;
    const { session } = await this.#sessions.sessionFor(pod);
    await obtain(session);
  }

  #endGone(): void {
    const nowMs = this.#options.now();
    const isWanted = (uid: string) => {
      const pod = this.#index.get(uid);
      const isWantedStill = pod !== undefined && isLive(pod, nowMs);
      if (!isWantedStill) this.#tokens.forget(uid);
      return isWantedStill;
    };
    for (const uid of this.#seen) if (!isWanted(uid)) this.#seen.delete(uid);
    if (this.#sessions.retain(isWanted)) this.#options.onEnded();
  }
}

function rulesOf({ roles, associations }: Config, { annotations }: KubernetesSettings): RoleRules {
  return { roles, associations, annotations };
}
