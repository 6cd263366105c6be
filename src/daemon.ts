/** @module The composition root: from a `Config` to listeners that answer. Alone in knowing everybody. */
import { isDeepStrictEqual } from "node:util";
import { identifyLocalUser } from "./callers/local-user.ts";
import type { AllowedUsers, ReadSocketTables } from "./callers/local-user.ts";
import { roleSessionOf } from "./callers/role-session.ts";
import type { AuthorizationToken, CallerSession } from "./callers/types.ts";
import { resolveUsers } from "./callers/users.ts";
import type { Config, Listener } from "./config/types.ts";
import { CONTAINER_PATH } from "./container/app.ts";
import { AuthorizationTokens } from "./container/authorization.ts";
import { createCredentialCache } from "./credential-service.ts";
import type { CredentialCache } from "./credentials/cache.ts";
import type { TemporaryCredentials } from "./credentials/types.ts";
import { CrossroleError, messageOf } from "./errors.ts";
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
import { regionOfProfile } from "./sts/region.ts";

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
}

/** A listener that answers for a role, as somebody would be told of it. */
export interface Served {
  readonly kind: Listener["kind"];
  readonly url: string;
  readonly roleName: string;
  readonly roleArn: string;
}

/** Where container credentials of what is served are: a client keeps the whole of this URI. */
export function containerUri({ url, roleName }: Served): string {
  return `${url}${CONTAINER_PATH}/${encodeURIComponent(roleName)}`;
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
  #targets: ReadonlyMap<string, Prepared> = new Map();
  #config: Config;
  #profileRegion: string | undefined;

  constructor(options: DaemonOptions, tokenKeys: CurrentKeys, metrics: Metrics) {
    this.#options = options;
    this.#config = options.config;
    this.#tokenKeys = tokenKeys;
    this.#metrics = metrics;
    this.#cache = createCredentialCache({ ...options, metrics });
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
    const closeGone = await this.#open(targets, config);
    takeTokens();
    this.#warnOfRestart(config);
    this.#config = config;
    this.#targets = targets;
    const sessions = [...config.roles.keys()].map((name) => this.#roleOf(name, config).session);
    this.#cache.retain(sessions);
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
      const names = listener.kind === "role" ? [listener.role] : listener.roles;
      const roles = new Map(names.map((name) => [name, this.#roleOf(name, config)]));
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
      });
    }
    if (operations !== undefined && this.#metrics !== NO_METRICS) {
      const onRefused = this.#onRefused(OPERATIONS);
      wanted.set(OPERATIONS, operationsListener(operations, this.#metrics, onRefused));
    }
    return wanted;
  }

  #face(key: string, onRefused: OnRefused) {
    const { hostname, socketTables } = this.#options;
    return listenerFace({
      target: () => this.#targets.get(key),
      identify: identifyLocalUser(() => this.#targets.get(key)?.allowed ?? NOBODY, socketTables),
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
      const pending = this.#cache.get(session, { holdMs: Infinity });
      if (!(pending instanceof Promise)) return;
      pending.catch(() => {
        // In the log already; whoever asks is told so, and it is tried again.
      });
    });
  }

  #roleOf(roleName: string, { roles }: Config): RoleOf {
    const role = roles.get(roleName);
    if (role === undefined) {
      const names = [...roles.keys()].join(", ");
      const message = `there is no role ${JSON.stringify(roleName)}; known are ${names}`;
      throw new CrossroleError("ERR_NOT_FOUND", message);
    }
    const session = roleSessionOf(role, { hostname: this.#options.hostname });
    return { roleName, session, imdsV1: role.imdsV1 };
  }
}

type RoleOf = Omit<CallerSession, "caller">;

/** The key of the operations listener: no address looks like it. */
const OPERATIONS = "operations";

/** Who is answered at a listener that the configuration no longer has. */
const NOBODY: AllowedUsers = new Set();

function authorizationOf({ roles }: Config): ReadonlyMap<string, AuthorizationToken> {
  const sources = new Map<string, AuthorizationToken>();
  for (const [name, { authorizationToken }] of roles) {
    if (authorizationToken !== undefined) sources.set(name, authorizationToken);
  }
  return sources;
}

/** What a listener is known by, in logs and in the tokens it issues: its address. */
function keyOf({ address: { host, port } }: Listener, index: number): string {
  return port === 0 ? `${host}:0#${index}` : `${host}:${port}`;
}
