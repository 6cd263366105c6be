/** @module `crossrole serve`: answers until it is told to stop. */
import { hostname } from "node:os";
import type { Command } from "commander";
import { parseConfig, readConfigFile } from "../config/load.ts";
import { watchConfig } from "../config/watch.ts";
import type { ConfigWatch } from "../config/watch.ts";
import type { Config } from "../config/types.ts";
import { startDaemon } from "../daemon.ts";
import type { Daemon } from "../daemon.ts";
import { CrossroleError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { examples } from "./help.ts";
import { load, stderrLog, withRoleOptions } from "./options.ts";
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

async function serve(flags: CommonFlags): Promise<void> {
  const log = stderrLog(flags.logLevel);
  const loaded = await load(flags);
  const { config } = loaded;
  if (config.listeners.length === 0) {
    const message = "the configuration has no listeners: add one under listeners";
    throw new CrossroleError("ERR_CONFIG_INVALID", message);
  }
  tell(config, log);
  const daemon = await startDaemon({ config, environment: process.env, hostname: hostname(), log });
  const watch = await watchFile(daemon, loaded, log);
  for (const { url, roleName, roleArn } of daemon.served) {
    log.info("listening", { url, roleName, roleArn });
    process.stdout.write(`export AWS_EC2_METADATA_SERVICE_ENDPOINT=${url}\n`);
  }
  await untilStopped(watch);
  log.info("stopping");
  watch?.close();
  await daemon.close();
}

async function watchFile(
  daemon: Daemon,
  loaded: Loaded,
  log: Log,
): Promise<ConfigWatch | undefined> {
  const { origin, options } = loaded;
  if (origin.kind !== "file") return undefined;
  const kept = (error: unknown) =>
    log.error("configuration not taken over, the last good one stays", {
      reason: messageOf(error),
    });
  return watchConfig({
    path: origin.path,
    text: await readConfigFile(origin.path),
    onError: kept,
    onChange: async (text) => {
      try {
        const config = parseConfig(origin, text, options);
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
async function untilStopped(watch: ConfigWatch | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once("SIGTERM", () => resolve());
  process.once("SIGINT", () => resolve());
  process.on("SIGHUP", () => void watch?.check());
  await promise;
}
