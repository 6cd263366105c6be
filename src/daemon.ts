/** @module The composition root: from a `Config` to listeners that answer. Alone in knowing everybody. */
import { identifyLocalUser } from "./callers/local-user.ts";
import type { AllowedUsers, ReadSocketTables } from "./callers/local-user.ts";
import type { AttestPod } from "./callers/proc-attest.ts";
import { resolveUsers } from "./callers/users.ts";
import type { Config } from "./config/types.ts";
import { AuthorizationTokens } from "./container/authorization.ts";
import type { PreparedTokens } from "./container/authorization.ts";
import { createCredentialService } from "./credential-service.ts";
import type { CredentialService } from "./credential-service.ts";
import { daemonView } from "./daemon-view.ts";
import type { RoleSession, TemporaryCredentials } from "./credentials/types.ts";
import { messageOf } from "./errors.ts";
import type { OnRefused } from "./http/answer.ts";
import type { InheritedSocket } from "./http/inherited.ts";
import { ListenerSet } from "./http/listener-set.ts";
import type { ListenOptions } from "./http/listener.ts";
import { listenerFace } from "./listener-face.ts";
import type { Target } from "./listener-face.ts";
import type { Log } from "./log.ts";
import { Observer, OPERATIONS } from "./operations/observer.ts";
import { PodServiceHolder } from "./pod-service-holder.ts";
import { warnOfRestart } from "./restart-notice.ts";
import { openState } from "./saved-state.ts";
import type { SavedState } from "./saved-state.ts";
import { regionOfProfile } from "./sts/region.ts";
import { authorizationOf, keyOf, roleNamesOf, roleOf } from "./targets.ts";
import type { RoleOf, Served } from "./targets.ts";
import { sessionsOf, settled, warmUp } from "./warm-up.ts";

export interface DaemonOptions {
  readonly config: Config;
  /** What base credentials are looked for in. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  /** What metrics and status call this program: its own version, and Node's. */
  readonly versions?: { readonly crossrole: string; readonly node: string } | undefined;
  readonly log: Log;
  /** The user that is always answered: this process's own. Undefined where there are no uids. */
  readonly uid: number | undefined;
  /** The kernel's socket tables; undefined on a platform that has none. */
  readonly socketTables: ReadSocketTables | undefined;
  /** The kernel's word on which pod is behind a connection; undefined where it cannot be had. */
  readonly attestPod?: AttestPod | undefined;
  /** Listening sockets that were passed to this process. Default: none. */
  readonly passedSockets?: readonly InheritedSocket[] | undefined;
}

/** A listener of the configuration, with what was looked up for it. */
interface Prepared extends Target {
  readonly allowed: AllowedUsers;
}

/**
 * Opens every listener of the configuration and starts to assume their roles behind them.
 *
 * @throws {@link CrossroleError} `ERR_LISTEN_FAILED` or `ERR_CONFIG_INVALID`, with nothing left open.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config } = options;
  const state = await openState(config.stateDirectory, options);
  const observer = await Observer.open(options, config.operations !== undefined);
  const daemon = new Daemon({ ...options, log: observer.log }, state, observer);
  try {
    await daemon.reload(config);
  } catch (error) {
    await daemon.close();
    throw error;
  }
  return daemon;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #state: SavedState;
  readonly #observer: Observer;
  readonly #credentials: CredentialService;
  readonly #authorization: AuthorizationTokens;
  readonly #listeners: ListenerSet;
  readonly #pods: PodServiceHolder;
  #targets: ReadonlyMap<string, Prepared> = new Map();
  #config: Config;
  #profileRegion: string | undefined;
  readonly #closing = new AbortController();

  constructor(options: DaemonOptions, state: SavedState, observer: Observer) {
    this.#options = options;
    this.#config = options.config;
    this.#state = state;
    this.#listeners = new ListenerSet(options.passedSockets);
    this.#observer = observer;
    this.#pods = new PodServiceHolder({
      ...options,
      metrics: observer.metrics,
      obtain: (session) => this.#obtain(session),
      onEnded: () => this.#retain(this.#config),
    });
    this.#credentials = createCredentialService({
      ...options,
      observer,
      identityToken: this.#pods.identityToken,
      onEvent: (event) => {
        state.onCredentialEvent(event);
        this.#pods.onCredentialEvent(event);
      },
    });
    this.#credentials.cache.restore(state.sessions);
    state.expire(() => this.#credentials.cache.restore([]));
    this.#authorization = new AuthorizationTokens({
      uid: options.uid,
      onError: (error) =>
        options.log.warn("authorization token not rotated", { reason: messageOf(error) }),
    });
    observer.observe(
      daemonView({
        ...options,
        config: () => this.#config,
        cache: this.#credentials.cache,
        targets: () => this.#targets,
        running: () => this.#listeners.running,
        pods: this.#pods,
      }),
    );
  }

  /** What is served where, in the order of the configuration. */
  get served(): Served[] {
    return [...this.#targets].flatMap(([key, { listener, roles }]) =>
      [...roles.values()].map(({ roleName, session }) => ({
        kind: listener.kind,
        url: this.#listeners.running.get(key)?.url ?? "",
        roleName,
        roleArn: session.roleArn,
      })),
    );
  }

  /** Where pods are answered, in the order of the configuration. */
  get podUrls(): string[] {
    return [...this.#targets]
      .filter(([, { listener }]) => listener.kind === "pods")
      .map(([key]) => this.#listeners.running.get(key)?.url ?? "");
  }

  /**
   * The credentials of the role called `name`, waiting for STS as long as it takes.
   *
   * @throws {@link CrossroleError} of STS's, or `ERR_NOT_FOUND` for a role that is not configured.
   */
  async credentials(name: string): Promise<TemporaryCredentials> {
    const { session } = this.#roleOf(name, this.#config);
    return await this.#credentials.cache.get(session, { holdMs: Infinity });
  }

  /** The region that clients are told: the configuration's, else the one of the AWS profile. */
  async region(): Promise<string | undefined> {
    if (this.#config.region !== undefined) return this.#config.region;
    const [base] = [...this.#config.roles.values()].map((role) => role.base.provider);
    this.#profileRegion = await regionOfProfile(
      base?.kind === "profile" ? base.profile : undefined,
    );
    return this.#profileRegion;
  }

  /**
   * Takes over `config`: what is changed or new is obtained first, within 1.5 s, and new listeners are
   * opened; then the ones that are gone are closed, a role that left is refused, and its session let go.
   *
   * @throws {@link CrossroleError} `ERR_LISTEN_FAILED` or `ERR_CONFIG_INVALID`; then everything is as before.
   */
  async reload(config: Config): Promise<void> {
    const targets = await this.#prepare(config);
    using tokens = await this.#authorization.prepare(authorizationOf(config));
    using pods = await this.#pods.prepare(config);
    // At the start nobody waits for STS: the listeners answer first.
    const isStart = this.#targets.size === 0;
    if (!isStart) await this.#warmUp(targets);
    const closeGone = await this.#open(targets, config, tokens);
    warnOfRestart(config, this.#options.config, this.#options.log);
    this.#config = config;
    this.#targets = targets;
    pods.take();
    this.#retain(config);
    if (isStart) void settled(this.#closing.signal).then(() => this.#warmAll());
    else this.#warmAll();
    this.#observer.reloaded();
    await closeGone();
  }

  /** Opens what is new, which answers from its first connection on; what was there stays as it was. */
  async #open(targets: ReadonlyMap<string, Prepared>, config: Config, tokens: PreparedTokens) {
    const before = this.#targets;
    this.#targets = new Map([...targets, ...before]);
    tokens.offer();
    try {
      return await this.#listeners.open(this.#listenOptions(targets, config), tokens.take);
    } catch (error) {
      this.#targets = before;
      // What has been obtained for `config` alone is wanted by nobody.
      this.#retain(this.#config);
      throw error;
    }
  }

  /** A changed configuration could not be taken over. */
  refusedReload(error: unknown): void {
    this.#observer.refusedReload(error);
  }

  /** Ends every connection with its next answer, within 3 s, then cancels every renewal. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#observer.close();
    // Whoever still asks is given what is held: all that answers are made of closes behind the last one.
    await this.#listeners.close();
    this.#authorization.close();
    this.#pods.close();
    this.#credentials.close();
    await this.#state.close();
  }

  /** Looks up whatever may fail, before anything is changed. */
  async #prepare(config: Config): Promise<Map<string, Prepared>> {
    const targets = new Map<string, Prepared>();
    for (const [index, listener] of config.listeners.entries()) {
      const allowed = await resolveUsers(listener.allowUsers, this.#options.uid);
      const roles = new Map(
        roleNamesOf(listener).map((name) => [name, this.#roleOf(name, config)]),
      );
      targets.set(keyOf(listener, index), { listener, roles, allowed });
    }
    return targets;
  }

  #listenOptions(
    targets: ReadonlyMap<string, Prepared>,
    { operations }: Config,
  ): Map<string, ListenOptions> {
    const wanted = new Map<string, ListenOptions>();
    for (const [key, { listener }] of targets) {
      const onRefused = this.#observer.onRefused(key);
      wanted.set(key, {
        ...listener.address,
        // What is in `targets` by the time of the request: a reload may have changed it.
        hosts: () => this.#targets.get(key)?.listener.hosts ?? listener.hosts,
        onRefused,
        handle: this.#face(key, onRefused),
        connectionsPerPeer: () =>
          this.#targets.get(key)?.listener.kind === "pods" ? CONNECTIONS_PER_POD : undefined,
      });
    }
    const options = operations && this.#observer.listenOptions(operations);
    if (options !== undefined) wanted.set(`${OPERATIONS} ${options.host}:${options.port}`, options);
    return wanted;
  }

  #face(key: string, onRefused: OnRefused) {
    const { hostname, socketTables } = this.#options;
    return listenerFace({
      target: () => this.#targets.get(key),
      identify: identifyLocalUser(() => this.#targets.get(key)?.allowed ?? NOBODY, socketTables),
      pods: () => this.#pods.current,
      credentialsFor: (session, hold) => this.#credentials.cache.get(session, hold),
      tokenKeys: this.#state.tokenKeys,
      isAuthorized: (name, presented) => this.#authorization.isAuthorized(name, presented),
      listener: key,
      region: () => this.#config.region ?? this.#profileRegion,
      hostname,
      now: Date.now,
      onRefused,
      onImdsV1: ({ roleName }) => this.#observer.metrics.imdsV1(roleName),
      onHandOut: this.#observer.onHandOut(key),
      counts: this.#observer.counts,
    });
  }

  async #warmUp(targets: ReadonlyMap<string, Prepared>): Promise<void> {
    await warmUp(sessionsOf(targets.values()), (session, hold) =>
      this.#credentials.cache.get(session, hold),
    );
  }

  /** Somebody will ask soon: every role is assumed before they do. */
  #warmAll(): void {
    if (this.#closing.signal.aborted) return;
    for (const session of sessionsOf(this.#targets.values())) {
      this.#obtain(session).catch(() => {
        // In the log already; whoever asks is told so, and it is tried again.
      });
    }
  }

  async #obtain(session: RoleSession): Promise<void> {
    await this.#credentials.cache.get(session, { holdMs: Infinity });
  }

  /** Keeps the sessions of the configuration's roles and of the pods that live, and lets go of all others. */
  #retain(config: Config): void {
    const configured = [...config.roles.keys()].map((name) => this.#roleOf(name, config).session);
    this.#credentials.cache.retain([...configured, ...(this.#pods.current?.sessions() ?? [])]);
  }

  #roleOf(roleName: string, config: Config): RoleOf {
    return roleOf(roleName, config, this.#options.hostname);
  }
}

/**
 * A pod's clients hold one or two, and a node's pods share a listener of 4,096: a few that take all they
 * can get must not be able to leave nothing to the others.
 */
const CONNECTIONS_PER_POD = 64;

/** Who is answered at a listener that the configuration no longer has. */
const NOBODY: AllowedUsers = new Set();
