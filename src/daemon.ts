/** @module The composition root: from a `Config` to listeners that answer. Alone in knowing everybody. */
import { getRequestListener } from "@hono/node-server";
import { roleSessionOf } from "./callers/role-session.ts";
import type { CallerSession } from "./callers/types.ts";
import type { Config, Listener } from "./config/types.ts";
import { CredentialCache } from "./credentials/cache.ts";
import type { Instant, TemporaryCredentials } from "./credentials/types.ts";
import { CrossroleError, messageOf } from "./errors.ts";
import { askedBy } from "./http/answer.ts";
import { listen } from "./http/listener.ts";
import type { RunningListener } from "./http/listener.ts";
import type { Log } from "./log.ts";
import { metadataApp } from "./metadata/app.ts";
import { openTokenKeys } from "./metadata/token-key-file.ts";
import type { CurrentKeys } from "./metadata/token-key-file.ts";
import { auditCredentials, auditRefusals, auditSkew } from "./operations/audit.ts";
import { assumeRoleWith } from "./sts/assume-role.ts";
import { loadBaseWith } from "./sts/base-credentials.ts";
import { regionOfProfile } from "./sts/region.ts";
import { createSts } from "./sts/sts-client.ts";

export interface DaemonOptions {
  readonly config: Config;
  /** What base credentials are looked for in. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  readonly log: Log;
}

/** A listener that answers, as somebody would be told of it. */
export interface Served {
  readonly url: string;
  readonly roleName: string;
  readonly roleArn: string;
}

/** A listener of the configuration with what is behind it; a reload replaces all but the socket. */
interface Open {
  readonly running: RunningListener;
  readonly target: Target;
}

interface Target {
  caller: Omit<CallerSession, "caller">;
  hosts: readonly string[];
}

/**
 * Opens every listener of the configuration and starts to assume their roles behind them.
 *
 * @throws {@link CrossroleError} `ERR_LISTEN_FAILED`, with nothing left open.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, log } = options;
  const onKeyError = (error: unknown) =>
    log.warn("metadata-token keys not written", { reason: messageOf(error) });
  const tokenKeys = await openTokenKeys(config.stateDirectory, Date.now, onKeyError);
  const daemon = new Daemon(options, tokenKeys);
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
  readonly #cache: CredentialCache;
  #open: ReadonlyMap<string, Open> = new Map();
  #config: Config;
  #profileRegion: string | undefined;

  constructor(options: DaemonOptions, tokenKeys: CurrentKeys) {
    this.#options = options;
    this.#config = options.config;
    this.#tokenKeys = tokenKeys;
    this.#cache = createCache(options);
  }

  /** The listeners, in the order of the configuration. */
  get served(): Served[] {
    return [...this.#open.values()].map(({ running, target: { caller } }) => ({
      url: running.url,
      roleName: caller.roleName,
      roleArn: caller.session.roleArn,
    }));
  }

  /**
   * The credentials of the role called `name`, waiting for STS as long as it takes.
   *
   * @throws {@link CrossroleError} of STS's, or `ERR_NOT_FOUND` for a role that is not configured.
   */
  async credentials(name: string): Promise<TemporaryCredentials> {
    const { session } = this.#callerOf(name, this.#config);
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
   * @throws {@link CrossroleError} `ERR_LISTEN_FAILED`; then everything is as before.
   */
  async reload(config: Config): Promise<void> {
    const targets = new Map(
      config.listeners.map((listener, index) => [
        keyOf(listener, index),
        { listener, caller: this.#callerOf(listener.role, config), hosts: listener.hosts },
      ]),
    );
    const open = await this.#openAll(targets);
    const gone = [...this.#open]
      .filter(([key]) => !open.has(key))
      .map(([, { running }]) => running);
    this.#config = config;
    this.#open = open;
    for (const [key, { target }] of open) Object.assign(target, targets.get(key));
    const sessions = [...config.roles.keys()].map((name) => this.#callerOf(name, config).session);
    this.#cache.retain(sessions);
    for (const { target } of open.values()) this.#warm(target);
    await closeAll(gone);
  }

  /** Stops accepting, ends what is in flight within 3 s, cancels every renewal. */
  async close(): Promise<void> {
    const running = [...this.#open.values()].map((open) => open.running);
    this.#open = new Map();
    this.#cache.close();
    await closeAll(running);
  }

  /** What is open already under the same key, and the rest opened: all of it, or an error and none. */
  async #openAll(
    targets: ReadonlyMap<string, Target & { readonly listener: Listener }>,
  ): Promise<Map<string, Open>> {
    const open = new Map<string, Open>();
    const fresh: RunningListener[] = [];
    try {
      for (const [key, target] of targets) {
        const known = this.#open.get(key) ?? (await this.#openOne(key, target, fresh));
        open.set(key, known);
      }
    } catch (error) {
      await closeAll(fresh);
      throw error;
    }
    return open;
  }

  async #openOne(
    key: string,
    { listener, caller, hosts }: Target & { readonly listener: Listener },
    fresh: RunningListener[],
  ): Promise<Open> {
    const { hostname, log } = this.#options;
    const target: Target = { caller, hosts };
    const onRefused = auditRefusals(log, key, Date.now);
    const app = metadataApp({
      sessionFor: (peer) => ({ ...target.caller, caller: peer.address }),
      credentialsFor: (session, hold) => this.#cache.get(session, hold),
      tokenKeys: this.#tokenKeys,
      listener: key,
      region: () => this.#config.region ?? this.#profileRegion,
      hostname,
      now: Date.now,
      onRefused,
    });
    const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    const running = await listen({
      ...listener.address,
      hosts: () => target.hosts,
      onRefused,
      handle: (request, response) => {
        answer(request, response).catch((error: unknown) => onRefused(error, askedBy(request)));
      },
    });
    fresh.push(running);
    return { running, target };
  }

  /** Somebody will ask soon: the role is assumed before they do. */
  #warm({ caller: { session } }: Target): void {
    const pending = this.#cache.get(session, { holdMs: Infinity });
    if (!(pending instanceof Promise)) return;
    pending.catch(() => {
      // In the log already; whoever asks is told so, and it is tried again.
    });
  }

  #callerOf(roleName: string, { roles }: Config): Target["caller"] {
    const role = roles.get(roleName);
    if (role === undefined) {
      const message = `there is no role ${JSON.stringify(roleName)}; known are ${[...roles.keys()].join(", ")}`;
      throw new CrossroleError("ERR_NOT_FOUND", message);
    }
    return { roleName, session: roleSessionOf(role, { hostname: this.#options.hostname }) };
  }
}

function createCache({ config, environment, log }: DaemonOptions): CredentialCache {
  const { endpoint, callsPerSecond, burst } = config.sts;
  const callSts = createSts({ endpoint, onSkew: auditSkew(log) });
  return new CredentialCache({
    assumeRole: assumeRoleWith(callSts),
    loadBase: loadBaseWith({ callSts, environment }),
    now: (): Instant => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
    random: Math.random,
    onEvent: auditCredentials(log),
    callsPerSecond,
    burst,
  });
}

/** What a listener is known by, in logs and in the tokens it issues: its address. */
function keyOf({ address: { host, port } }: Listener, index: number): string {
  return port === 0 ? `${host}:0#${index}` : `${host}:${port}`;
}

async function closeAll(listeners: readonly RunningListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}
