/** @module `crossrole serve`: answers until it is told to stop. */
import type { Command } from "commander";
import { parseConfig } from "../config/load.ts";
import { watchConfig } from "../config/watch.ts";
import type { ConfigWatch } from "../config/watch.ts";
import type { Config } from "../config/types.ts";
import { startDaemon } from "../daemon.ts";
import type { Daemon } from "../daemon.ts";
import { CrossroleError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { containerUri } from "../targets.ts";
import type { Served } from "../targets.ts";
import { examples } from "./help.ts";
import { migratesRequests, takePassedSockets } from "./passed-sockets.ts";
import { load, processOptions, stderrLog, withRoleOptions } from "./options.ts";
import type { CommonFlags, Loaded } from "./options.ts";

export function serveCommand(parent: Command): void {
  const command = parent
    .command("serve")
    .description(
      "answer as a metadata service until SIGTERM; SIGHUP reads the configuration again",
    );
  withRoleOptions(command, "info")
    .option("--listen <host:port>", "where to answer, 127.0.0.1:9911 by default (CROSSROLE_LISTEN)")
    .addHelpText(
      "after",
      examples(
        "crossrole serve --config crossrole.yaml",
        "crossrole serve --role-arn arn:aws:iam::222222222222:role/orders-reader --listen 127.0.0.1:9911",
      ),
    )
    .action(serve);
}

async function serve(flags: CommonFlags, { parent }: Command): Promise<void> {
  const log = stderrLog(flags.logLevel);
  const loaded = await load(flags);
  const config = withListeners(loaded.config);
  tell(config, log);
  const options = await processOptions();
  if (options.socketTables === undefined) log.warn(NO_TABLES);
  await warnOfSharedPorts(config, log);
  const passedSockets = takePassedSockets(process.env, process.pid);
  const versions = { crossrole: parent?.version() ?? "unknown", node: process.version };
  const daemon = await startDaemon({ config, ...options, versions, log, passedSockets });
  const watch = watchFile(daemon, loaded, log);
  // Whoever reads a line below may send a signal at once.
  const stopped = untilStopped(() =>
    watch === undefined ? log.warn(NOTHING_TO_READ) : void watch.check(),
  );
  for (const served of daemon.served) {
    const { url, roleName, roleArn } = served;
    log.info("listening", { url, roleName, roleArn });
    process.stdout.write(`export ${waysTo(served, config).join(" ")}\n`);
  }
  for (const url of daemon.podUrls) log.info("listening for pods", { url });
  // The AWS files may know a region that nobody has said; reading them takes the SDK.
  await Promise.race([stopped, daemon.region()]);
  await stopped;
  log.info("stopping");
  watch?.close();
  await daemon.close();
}

const NOTHING_TO_READ =
  "SIGHUP: there is nothing to read again, the configuration came from a pipe or from flags and variables";

const NO_TABLES =
  "this platform does not tell whose a socket is: only listeners with allowUsers: any will answer";

async function warnOfSharedPorts({ listeners, operations }: Config, log: Log): Promise<void> {
  const addresses = [...listeners.map(({ address }) => address), operations];
  const isShared = addresses.some((address) => address?.reusePort === true);
  if (isShared && (await migratesRequests()) !== true) log.warn(NO_MIGRATION);
}

const NO_MIGRATION =
  "reusePort: connections that arrive in the very moment in which a daemon ends are reset, unless " +
  "the kernel hands them over (sysctl -w net.ipv4.tcp_migrate_req=1)";

/** What to set in a client's environment: the one way to this role that every client of it knows. */
function waysTo(served: Served, { roles }: Config): string[] {
  const token = roles.get(served.roleName)?.authorizationToken;
  if (served.kind === "role") return [`AWS_EC2_METADATA_SERVICE_ENDPOINT=${served.url}`];
  // Half of the SDKs drop the path of that variable, and all keep the path of this one.
  if (token?.kind === "file") {
    return [
      `AWS_CONTAINER_CREDENTIALS_FULL_URI=${containerUri(served)}`,
      `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=${quoted(token.path)}`,
    ];
  }
  return [`AWS_EC2_METADATA_SERVICE_ENDPOINT=${served.url}/roles/${served.roleName}`];
}

/** A word of a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A daemon without a listener would serve nobody, at the start and after a reload. */
function withListeners(config: Config): Config {
  if (config.listeners.length > 0) return config;
  const message = "the configuration has no listeners: add one under listeners";
  throw new CrossroleError("ERR_CONFIG_INVALID", message);
}

function watchFile(daemon: Daemon, loaded: Loaded, log: Log): ConfigWatch | undefined {
  const { origin, options, text: loadedText } = loaded;
  if (origin.kind !== "file" || loadedText === undefined) return undefined;
  const kept = (error: unknown) => {
    daemon.refusedReload(error);
    log.error("configuration not taken over, the last good one stays", {
      reason: messageOf(error),
    });
  };
  return watchConfig({
    path: origin.path,
    text: loadedText,
    onError: kept,
    onChange: async (text) => {
      try {
        const config = withListeners(parseConfig(origin, text, options));
        await daemon.reload(config);
        tell(config, log);
        log.info("configuration taken over", { roles: config.roles.size });
      } catch (error) {
        kept(error);
      }
    },
  });
}

function tell(config: Config, log: Log): void {
  for (const notice of config.notices) log.warn("configuration", { notice });
}

/** Resolves at the first SIGTERM or SIGINT; the second one ends the process at once, as by default. */
async function untilStopped(onHangup: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once("SIGTERM", () => resolve());
  process.once("SIGINT", () => resolve());
  process.on("SIGHUP", onHangup);
  await promise;
}
