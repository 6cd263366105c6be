/** @module The composition root: from a `Config` to listeners that answer. Alone in knowing everybody. */
import { isDeepStrictEqual } from "node:util";
import { identifyLocalUser } from "./callers/local-user.ts";
import type { AllowedUsers, ReadSocketTables } from "./callers/local-user.ts";
import type { AttestPod } from "./callers/proc-attest.ts";
import { resolveUsers } from "./callers/users.ts";
import type { Config } from "./config/types.ts";
import { AuthorizationTokens } from "./container/authorization.ts";
import { createCredentialCache } from "./credential-service.ts";
import type { CredentialCache } from "./credentials/cache.ts";
import type { RoleSession, TemporaryCredentials } from "./credentials/types.ts";
import { messageOf } from "./errors.ts";
import type { OnRefused } from "./http/answer.ts";
import { ListenerSet } from "./http/listener-set.ts";
import type { ListenOptions } from "./http/listener.ts";
import { listenerFace } from "./listener-face.ts";
import type { Target } from "./listener-face.ts";
import type { Log } from "./log.ts";
import { openTokenKeys } from "./metadata/token-key-file.ts";
import type { CurrentKeys } from "./metadata/token-key-file.ts";
import { operationsListener } from "./operations/app.ts";
import { auditRefusals } from "./operations/audit.ts";
import { createMetrics, NO_METRICS } from "./operations/metrics.ts";
import type { Metrics } from "./operations/metrics.ts";
import { PodServiceHolder } from "./pod-service-holder.ts";
import { regionOfProfile } from "./sts/region.ts";
import { authorizationOf, keyOf, roleNamesOf, roleOf } from "./targets.ts";
import type { RoleOf, Served } from "./targets.ts";

export interface DaemonOptions {
  readonly config: Config;
  /** What base credentials are looked for in. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  readonly log: Log;
  /** The user that is always answered: this process's own. Undefined where there are no uids. */
  readonly uid: number | undefined;
  /** The kernel's socket tables; undefined on a platform that has none. */
  readonly socketTables: ReadSocketTables | undefined;
  /** The kernel's word on which pod is behind a connection; undefined where it cannot be had. */
  readonly attestPod?: AttestPod | undefined;
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
  const { config, log } = options;
  const onKeyError = (error: unknown) =>
    log.warn("metadata-token keys not written", { reason: messageOf(error) });
  const tokenKeys = await openTokenKeys(config.stateDirectory, Date.now, onKeyError);
  const metrics = config.operations === undefined ? NO_METRICS : await createMetrics();
  const daemon = new Daemon(options, tokenKeys, metrics);
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
  readonly #tokenKeys: CurrentKeys;
  readonly #metrics: Metrics;
  readonly #cache: CredentialCache;
  readonly #authorization: AuthorizationTokens;
  readonly #listeners = new ListenerSet();
  readonly #pods: PodServiceHolder;
  #targets: ReadonlyMap<string, Prepared> = new Map();
  #config: Config;
  #profileRegion: string | undefined;

  constructor(options: DaemonOptions, tokenKeys: CurrentKeys, metrics: Metrics) {
    this.#options = options;
    this.#config = options.config;
    this.#tokenKeys = tokenKeys;
    this.#metrics = metrics;
    this.#pods = new PodServiceHolder({
      ...options,
      metrics,
      obtain: (session) => this.#obtain(session),
      onEnded: () => this.#retain(this.#config),
    });
    this.#cache = createCredentialCache({
      ...options,
      metrics,
      identityToken: this.#pods.identityToken,
      onEvent: (event) => this.#pods.onCredentialEvent(event),
    });
    this.#authorization = new AuthorizationTokens((error) => {
      options.log.warn("authorization token not rotated", { reason: messageOf(error) });
    });
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
    return await this.#cache.get(session, { holdMs: Infinity });
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
   * Takes over `config`: new listeners are opened first, then the ones that are gone are closed. A
   * role that left is refused at once, and its session is let go.
   *
   * @throws {@link CrossroleError} `ERR_LISTEN_FAILED` or `ERR_CONFIG_INVALID`; then everything is as before.
   */
  async reload(config: Config): Promise<void> {
    const targets = await this.#prepare(config);
    const takeTokens = await this.#authorization.prepare(authorizationOf(config));
    const takePods = await this.#pods.prepare(config);
    const closeGone = await this.#open(targets, config);
    takeTokens();
    this.#warnOfRestart(config);
    this.#config = config;
    this.#targets = targets;
    takePods();
    this.#retain(config);
    for (const { roles } of targets.values()) for (const role of roles.values()) this.#warm(role);
    this.#metrics.reloaded(true);
    await closeGone();
  }

  /** Opens what is new, which answers from its first connection on; what was there stays as it was. */
  async #open(targets: ReadonlyMap<string, Prepared>, config: Config) {
    const before = this.#targets;
    this.#targets = new Map([...targets, ...before]);
    try {
      return await this.#listeners.open(this.#listenOptions(targets, config));
    } catch (error) {
      this.#targets = before;
      throw error;
    }
  }

  /** A changed configuration could not be taken over. */
  refusedReload(): void {
    this.#metrics.reloaded(false);
  }

  /** Stops accepting, ends what is in flight within 3 s, cancels every renewal. */
  async close(): Promise<void> {
    this.#authorization.close();
    this.#pods.close();
    // Whoever has asked before is given what is held: the cache closes behind the last answer.
    await this.#listeners.close();
    this.#cache.close();
  }

  /** What a running daemon was made with stays: said, so that nobody waits for it. */
  #warnOfRestart(config: Config): void {
    const { config: started, log } = this.#options;
    const keys = [
      ...(isDeepStrictEqual(config.sts, started.sts) ? [] : ["sts"]),
      ...(config.stateDirectory === started.stateDirectory ? [] : ["state"]),
      ...((config.operations === undefined) === (started.operations === undefined)
        ? []
        : ["operations"]),
    ];
    if (keys.length > 0) log.warn("taken over at the next start only", { keys: keys.join(", ") });
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
      const onRefused = this.#onRefused(key);
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
    if (operations !== undefined && this.#metrics !== NO_METRICS) {
      const onRefused = this.#onRefused(OPERATIONS);
      const notReady = () => this.#pods.notReady();
      const options = { metrics: this.#metrics, notReady, onRefused };
      wanted.set(OPERATIONS, operationsListener(operations, options));
    }
    return wanted;
  }

  #face(key: string, onRefused: OnRefused) {
    const { hostname, socketTables } = this.#options;
    return listenerFace({
      target: () => this.#targets.get(key),
      identify: identifyLocalUser(() => this.#targets.get(key)?.allowed ?? NOBODY, socketTables),
      pods: () => this.#pods.current,
      credentialsFor: (session, hold) => this.#cache.get(session, hold),
      tokenKeys: this.#tokenKeys,
      isAuthorized: (name, presented) => this.#authorization.isAuthorized(name, presented),
      listener: key,
      region: () => this.#config.region ?? this.#profileRegion,
      hostname,
      now: Date.now,
      onRefused,
      onImdsV1: ({ roleName }) => this.#metrics.imdsV1(roleName),
    });
  }

  #onRefused(listener: string): OnRefused {
    const audit = auditRefusals(this.#options.log, listener, Date.now);
    return (reason, asked) => {
      audit(reason, asked);
      this.#metrics.refused(listener, reason);
    };
  }

  /** Somebody will ask soon: the role is assumed before they do, once the listeners answer. */
  #warm({ session }: RoleOf): void {
    // Later: the first call loads the SDK, and while that is read nobody is answered.
    setImmediate(() => {
      this.#obtain(session).catch(() => {
        // In the log already; whoever asks is told so, and it is tried again.
      });
    });
  }

  async #obtain(session: RoleSession): Promise<void> {
    await this.#cache.get(session, { holdMs: Infinity });
  }

  /** Keeps the sessions of the configuration's roles and of the pods that live, and lets go of all others. */
  #retain(config: Config): void {
    const configured = [...config.roles.keys()].map((name) => this.#roleOf(name, config).session);
    this.#cache.retain([...configured, ...(this.#pods.current?.sessions() ?? [])]);
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

/** The key of the operations listener: no address looks like it. */
const OPERATIONS = "operations";

/** Who is answered at a listener that the configuration no longer has. */
const NOBODY: AllowedUsers = new Set();
