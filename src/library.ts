/** @module The package's library: crossrole inside another program, for the time of its tests. */
/// <reference lib="esnext.disposable" preserve="true" />
import { devNull, hostname } from "node:os";
import { procSocketTables } from "./callers/proc-socket-tables.ts";
import { childConfig } from "./child-config.ts";
import { childEnvironment } from "./commands/child-environment.ts";
import { chooseRole } from "./commands/options.ts";
import { warm } from "./commands/warm.ts";
import { loadConfig, parseConfig } from "./config/load.ts";
import type { Config } from "./config/types.ts";
import { newToken } from "./container/authorization.ts";
import { startDaemon } from "./daemon.ts";
import type { Daemon } from "./daemon.ts";
import { checkOptions, jsonOf } from "./library-options.ts";
import { createLog } from "./log.ts";
import { containerUri } from "./targets.ts";

/** Variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What does not depend on how the role is said. */
export interface CommonOptions {
  /** Region of STS and of clients. Default: `AWS_REGION`, then the partition's. */
  readonly region?: string;
  /** STS instead of the region's own endpoint: moto's, for example. */
  readonly stsEndpoint?: string;
  /**
   * Where the first key is looked for, and what {@link Crossrole.env} is made of. Default:
   * `process.env`. The AWS files, and the address of instance metadata, are those of the process,
   * whatever is said here.
   */
  readonly environment?: Environment;
  /** How the child finds its credentials. Default: `imds`. */
  readonly protocol?: "imds" | "container";
  /** Is given each line of the log, as JSON. Default: nobody is. */
  readonly onLog?: (line: string) => void;
}

/** One role, without a configuration. */
export interface RoleOptions extends CommonOptions {
  readonly roleArn: string;
  /** Roles that are assumed on the way, in order. */
  readonly via?: readonly string[];
  readonly externalId?: string;
  /** A template, as in the configuration file. */
  readonly sessionName?: string;
  /** 1800 to 43200. Default: 3600. */
  readonly durationSeconds?: number;
  /** The AWS profile that signs the first call. Default: the SDK's own chain. */
  readonly profile?: string;
}

/** One role of a configuration. */
export interface ConfigOptions extends CommonOptions {
  /** What a configuration file says, as an object. Its `listeners`, `operations` and `state` are not opened. */
  readonly config: object;
  /** The role of it that is served. Default: the only one there is. */
  readonly role?: string;
}

/** A role that is being served, until it is closed or disposed of. */
export interface Crossrole extends AsyncDisposable {
  /** Where it answers: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /**
   * The environment for a child: the one that was given, without what would win over crossrole, and
   * with the way to it.
   */
  readonly env: Record<string, string>;
  /** Ends the renewals and closes the listener. */
  close(): Promise<void>;
}

/**
 * Assumes a role and answers for it on a free port of loopback, to processes of this user, until it
 * is closed. Resolves once the credentials are there. It is this process that answers: do not wait
 * for the child by `spawnSync` or the like, which lets nothing else run.
 *
 * @example
 * await using crossrole = await startCrossrole({ roleArn, stsEndpoint: moto.url });
 * spawn("python", ["app.py"], { env: crossrole.env });
 *
 * @throws Error with a `code` (`ERR_CONFIG_INVALID`, `ERR_ROLE_DENIED`, …) and one line that says
 * what was wrong and what to do. Nothing is left open then.
 */
export async function startCrossrole(options: RoleOptions | ConfigOptions): Promise<Crossrole> {
  checkOptions(options);
  const { protocol = "imds", onLog, environment = process.env } = options;
  const config = await configOf(options, environment);
  const role = chooseRole(config, isConfig(options) ? options.role : undefined);
  const token = newToken();
  const socketTables = await procSocketTables();
  const allowUsers = socketTables === undefined ? "any" : [];
  const daemon = await startDaemon({
    config: childConfig(role, config, { token, allowUsers }),
    environment,
    hostname: hostname(),
    uid: process.getuid?.(),
    socketTables,
    log: createLog(onLog === undefined ? "silent" : "info", { write: heedless(onLog) }),
  });
  const close = async () => {
    await daemon.close();
    await socketTables?.close();
  };
  try {
    await warm(daemon, role.name);
    return await served(daemon, { token, protocol, environment, close });
  } catch (error) {
    await close();
    throw error;
  }
}

/** `config: undefined` beside a role is none. */
function isConfig(options: RoleOptions | ConfigOptions): options is ConfigOptions {
  return "config" in options && options.config !== undefined;
}

/** What becomes of a line is the host's business: neither an answer nor the host may fail by it. */
function heedless(onLog: CommonOptions["onLog"]): (line: string) => void {
  return (line) => {
    new Promise((resolve) => {
      resolve(onLog?.(line));
    }).catch(() => {
      // There is nobody to tell: this was the log.
    });
  };
}

async function configOf(
  options: RoleOptions | ConfigOptions,
  environment: Environment,
): Promise<Config> {
  const load = { flags: {}, environment, hostname: hostname() };
  if (isConfig(options)) {
    const { config, region, stsEndpoint } = options;
    const origin = { kind: "file", path: "config", settings: { region, stsEndpoint } } as const;
    return parseConfig(origin, jsonOf(config), load);
  }
  const { durationSeconds, roleArn, via, externalId, sessionName, profile, region, stsEndpoint } =
    options;
  const settings = {
    roleArn,
    via,
    externalId,
    sessionName,
    profile,
    region,
    stsEndpoint,
    durationSeconds: durationSeconds?.toString(),
  };
  return await loadConfig({ kind: "settings", settings, by: "option" }, load);
}

interface Way {
  readonly token: string;
  readonly protocol: "imds" | "container";
  readonly environment: Environment;
  readonly close: () => Promise<void>;
}

async function served(
  daemon: Daemon,
  { token, protocol, environment, close }: Way,
): Promise<Crossrole> {
  const [only] = daemon.served;
  if (only === undefined) throw new TypeError("a child has one listener");
  const env = childEnvironment(environment, {
    way:
      protocol === "container"
        ? { protocol, uri: containerUri(only), token }
        : { protocol, endpoint: only.url },
    region: await daemon.region(),
    keepAwsFiles: false,
    emptyFile: devNull,
  });
  return { url: only.url, env, close, [Symbol.asyncDispose]: close };
}
