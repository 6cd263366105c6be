/** @module `crossrole exec`: runs a command that gets its credentials from crossrole and from nowhere else. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { constants, devNull } from "node:os";
import { Option } from "commander";
import type { Command } from "commander";
import { childConfig } from "../child-config.ts";
import { newToken } from "../container/authorization.ts";
import { startDaemon } from "../daemon.ts";
import { containerUri } from "../targets.ts";
import type { Daemon } from "../daemon.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { childEnvironment } from "./child-environment.ts";
import { CommandError } from "./command-error.ts";
import { examples } from "./help.ts";
import { chooseRole, load, processOptions, stderrLog, withRoleOptions } from "./options.ts";
import type { CommonFlags } from "./options.ts";
import { warm } from "./warm.ts";

/** @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02 */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNAL_BASE = 128;

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

interface ExecFlags extends CommonFlags {
  readonly role?: string;
  readonly keepAwsFiles?: boolean;
  readonly protocol: "imds" | "container";
}

export function execCommand(parent: Command): void {
  const command = parent
    .command("exec")
    .description("run a command with the credentials of a role; its exit code is the command's own")
    .argument("<command>", "what to run, behind --")
    .argument("[args...]", "its arguments");
  withRoleOptions(command, "warn")
    .option("--role <name>", "the role of the configuration file")
    .addOption(
      new Option("--protocol <name>", "how the command finds its credentials")
        .choices(["imds", "container"])
        .default("imds"),
    )
    .option("--keep-aws-files", "leave ~/.aws/credentials and ~/.aws/config in the command's sight")
    .passThroughOptions()
    .addHelpText(
      "after",
      examples(
        "crossrole exec --role-arn arn:aws:iam::222222222222:role/orders-reader -- python app.py",
        "crossrole exec --config crossrole.yaml --role orders-reader --protocol container -- aws s3 ls",
      ),
    )
    .action(async (name: string, args: string[], flags: ExecFlags) => {
      process.exitCode = await exec([name, ...args], flags);
    });
}

async function exec(commandLine: readonly string[], flags: ExecFlags): Promise<number> {
  const { config } = await load(flags);
  const role = chooseRole(config, flags.role);
  const log = stderrLog(flags.logLevel);
  for (const notice of config.notices) log.warn("configuration", { notice });
  const quiet = untilStarted(log);
  const token = newToken();
  const options = await processOptions();
  // Where the kernel does not tell whose a socket is, the port is all that keeps other users out.
  const allowUsers = options.socketTables === undefined ? "any" : [];
  const daemon = await startDaemon({
    config: childConfig(role, config, { token, allowUsers }),
    ...options,
    log: quiet.log,
  });
  try {
    await warm(daemon, role.name);
    quiet.started();
    return await run(commandLine, await environmentFor(daemon, token, flags));
  } finally {
    await daemon.close();
  }
}

/** The first assumption's failure is the command's own error, in one line: the log keeps out of it. */
function untilStarted(log: Log): { log: Log; started: () => void } {
  let isStarted = false;
  const gated =
    (level: keyof Log): Log[typeof level] =>
    (event, fields) => {
      if (isStarted) log[level](event, fields);
    };
  return {
    log: { debug: gated("debug"), info: gated("info"), warn: gated("warn"), error: gated("error") },
    started: () => {
      isStarted = true;
    },
  };
}

async function environmentFor(
  daemon: Daemon,
  token: string,
  flags: ExecFlags,
): Promise<Record<string, string>> {
  const [served] = daemon.served;
  if (served === undefined) throw new TypeError("exec has one listener");
  return childEnvironment(process.env, {
    way:
      flags.protocol === "container"
        ? { protocol: "container", uri: containerUri(served), token }
        : { protocol: "imds", endpoint: served.url },
    region: await daemon.region(),
    keepAwsFiles: flags.keepAwsFiles ?? false,
    emptyFile: devNull,
  });
}

/** Runs the command to its end. @returns its exit code, or 128+N when signal N ended it. */
async function run(
  [name = "", ...args]: readonly string[],
  environment: Record<string, string>,
): Promise<number> {
  const child = start(name, args, environment);
  const stop = forwardSignals(child);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", (error) => reject(notStarted(name, error)));
  child.once("exit", (code, signal) => {
    resolve(signal === null ? (code ?? 0) : SIGNAL_BASE + constants.signals[signal]);
  });
  try {
    return await promise;
  } finally {
    stop();
  }
}

function start(name: string, args: readonly string[], env: Record<string, string>): ChildProcess {
  if (name === "") throw new CommandError('"": command not found', NOT_FOUND, undefined);
  try {
    return spawn(name, args, { stdio: "inherit", env });
  } catch (error) {
    // Node reports some errors of the system at once, and the others by an event.
    throw notStarted(name, error);
  }
}

function forwardSignals(child: ChildProcess): () => void {
  const handlers = FORWARDED.map((signal) => {
    const forward = () => {
      // A terminal's Ctrl-C has gone to the whole foreground group: the child has it already.
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      child.kill(signal);
    };
    process.on(signal, forward);
    return () => process.off(signal, forward);
  });
  return () => {
    for (const stop of handlers) stop();
  };
}

function notStarted(name: string, error: unknown): CommandError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return new CommandError(`${name}: command not found`, NOT_FOUND, error);
  if (code === "EACCES" || code === "ENOEXEC") {
    return new CommandError(`${name}: not an executable file`, NOT_EXECUTABLE, error);
  }
  return new CommandError(`${name}: ${messageOf(error)}`, NOT_EXECUTABLE, error);
}
