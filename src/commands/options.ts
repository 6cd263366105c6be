/** @module The options that several commands share, and what they make of them. */
import { hostname } from "node:os";
import { Option } from "commander";
import type { Command } from "commander";
import { procAttest } from "../callers/proc-attest.ts";
import { procSocketTables } from "../callers/proc-socket-tables.ts";
import { readFirstConfig } from "../config/config-file.ts";
import { findOrigin, loadConfig, parseConfig } from "../config/load.ts";
import type { ConfigOrigin, LoadOptions } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import type { Config, Role } from "../config/types.ts";
import type { DaemonOptions } from "../daemon.ts";
import { CrossroleError } from "../errors.ts";
import { createLog, LOG_LEVELS } from "../log.ts";
import type { Log, LogLevel } from "../log.ts";
import { prettyOn } from "../pretty-log.ts";
import { logWarnings } from "./warnings.ts";

export interface CommonFlags extends Settings {
  readonly logLevel: LogLevel;
}

/** Adds what says which role: a file, or one role by flags. */
export function withRoleSettings(command: Command): Command {
  return command
    .option("-c, --config <file>", "configuration file (CROSSROLE_CONFIG)")
    .option("--role-arn <arn>", "the role to assume, without a file (CROSSROLE_ROLE_ARN)")
    .option("--via <arn>", "a role to assume on the way; repeat in order (CROSSROLE_VIA)", append)
    .option("--external-id <id>", "sts:ExternalId of the role (CROSSROLE_EXTERNAL_ID)")
    .option("--session-name <template>", "role session name (CROSSROLE_SESSION_NAME)")
    .option("--duration-seconds <n>", "1800 to 43200 (CROSSROLE_DURATION_SECONDS)")
    .option("--profile <name>", "AWS profile that signs the first call (CROSSROLE_PROFILE)")
    .option("--region <region>", "region of STS and of clients (CROSSROLE_REGION)")
    .option("--sts-endpoint <url>", "STS instead of the region's (CROSSROLE_STS_ENDPOINT)");
}

/** {@link withRoleSettings}, and what is written to the log. */
export function withRoleOptions(command: Command, defaultLevel: LogLevel): Command {
  return withRoleSettings(command).addOption(
    new Option("--log-level <level>", "what is written to stderr (CROSSROLE_LOG_LEVEL)")
      .choices(LOG_LEVELS)
      .env("CROSSROLE_LOG_LEVEL")
      .default(defaultLevel),
  );
}

export interface Loaded {
  readonly origin: ConfigOrigin;
  /** What the file says; absent where there is none to read again. */
  readonly text?: string;
  readonly options: LoadOptions;
  readonly config: Config;
}

/** @throws {@link CrossroleError} `ERR_USAGE` or `ERR_CONFIG_INVALID`. */
export async function load(flags: Settings): Promise<Loaded> {
  const options = { flags, environment: process.env, hostname: hostname() };
  const origin = await findOrigin(options);
  if (origin.kind === "settings") {
    return { origin, options, config: await loadConfig(origin, options) };
  }
  const { text, isPipe } = await readFirstConfig(origin.path);
  const config = parseConfig(origin, text, options);
  return { origin, options, config, ...(isPipe ? {} : { text }) };
}

/**
 * The role called `name`, or the only one there is.
 *
 * @throws {@link CrossroleError} `ERR_USAGE` that lists the names.
 */
export function chooseRole({ roles }: Config, name: string | undefined): Role {
  const names = [...roles.keys()].join(", ") || "none";
  const chosen = name ?? (roles.size === 1 ? [...roles.keys()][0] : undefined);
  if (chosen === undefined) {
    throw new CrossroleError("ERR_USAGE", `say which role with --role NAME; known are ${names}`);
  }
  const role = roles.get(chosen);
  if (role !== undefined) return role;
  const message = `there is no role ${JSON.stringify(chosen)}; known are ${names}`;
  throw new CrossroleError("ERR_USAGE", message);
}

/** The log on stderr: results are on stdout, and a pipe reads only those. On a terminal for people. */
export function stderrLog(level: LogLevel): Log {
  const { stderr } = process;
  const write = (text: string) => stderr.write(text);
  const forPeople = () => prettyOn({ write, hasColours: stderr.hasColors() });
  const log = createLog(level, stderr.isTTY ? forPeople() : stderr);
  logWarnings(log);
  return log;
}

/** Collects the values of an option that may be repeated. */
export function append(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** What a daemon takes from this process, besides its configuration. */
export async function processOptions(): Promise<Omit<DaemonOptions, "config" | "log">> {
  return {
    environment: process.env,
    hostname: hostname(),
    uid: process.getuid?.(),
    socketTables: await procSocketTables(),
    attestPod: await procAttest(),
  };
}
