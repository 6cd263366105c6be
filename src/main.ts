#!/usr/bin/env node
/** @module The command line: what is asked for, and which exit code it ends with. */
import { readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Command, CommanderError } from "commander";
import { CommandError } from "./commands/command-error.ts";
import { heldWarnings, takeWarnings } from "./commands/warnings.ts";
import { CrossroleError, messageOf } from "./errors.ts";

const FAILED = 1;
const USAGE = 2;
const SIGNAL_BASE = 128;

/** Each adds its command to the program. Only the one that is asked for is loaded: a start is short. */
const COMMANDS = {
  serve: async () => (await import("./commands/serve.ts")).serveCommand,
  exec: async () => (await import("./commands/exec.ts")).execCommand,
  check: async () => (await import("./commands/check.ts")).checkCommand,
  policy: async () => (await import("./commands/policy.ts")).policyCommand,
  status: async () => (await import("./commands/status.ts")).statusCommand,
  "credential-process": async () =>
    (await import("./commands/credential-process.ts")).credentialProcessCommand,
  schema: async () => (await import("./commands/schema.ts")).schemaCommand,
  demo: async () => (await import("./commands/demo.ts")).demoCommand,
  node: async () => (await import("./commands/node.ts")).nodeCommand,
} as const;

// V8 answers a flood with a larger young generation and keeps it: a daemon has no use for one.
setFlagsFromString("--semi-space-growth-factor=1");
// The inspector shows every secret of a process to whoever may signal it: a listener takes its place.
process.on("SIGUSR1", () => undefined);
takeWarnings();
keepSecretsOutOfCoreDumps();
keepSecretsOutOfReports();
if (process.pid === 1) endBySignalsAllTheSame();
// Node prints every field of an error that nobody caught, and of its causes.
process.on("uncaughtException", (error) => {
  process.stderr.write(`crossrole: ${textOf(error)}\n`);
  process.exit(FAILED);
});
// Whoever reads the log may go away: whoever asks for credentials has not.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const program = new Command("crossrole")
  .description("cross-account AWS credentials that never go stale, for unmodified applications")
  .version(version())
  .enablePositionalOptions()
  .exitOverride();

try {
  const named = Object.entries(COMMANDS).filter(([name]) => name === process.argv[2]);
  const wanted = named.length > 0 ? named : Object.entries(COMMANDS);
  for (const [, load] of wanted) (await load())(program);
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // Commander has printed what it has to say, help and errors alike.
  if (!(error instanceof CommanderError)) process.stderr.write(`crossrole: ${textOf(error)}\n`);
}
for (const line of heldWarnings()) process.stderr.write(`crossrole: ${line}\n`);
// What still is open (an idle connection to STS) is no reason to stay.
process.exit();

function version(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version: own }: { version: string } = JSON.parse(text);
  return own;
}

/** A core dump of this process has no memory in it. Where there is no such setting there is none to make. */
function keepSecretsOutOfCoreDumps(): void {
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
  } catch {
    // Not Linux, or a sandbox without a writable /proc.
  }
}

/**
 * Node's own reports hold the environment, and so the base key, and the fields of errors. An image's
 * `NODE_OPTIONS` asks for them from every program in it.
 */
function keepSecretsOutOfReports(): void {
  const { report } = process;
  // The signal that asks for one would end the process, were nobody listening.
  if (report.reportOnSignal) process.on(report.signal, () => undefined);
  report.reportOnSignal = report.reportOnFatalError = report.reportOnUncaughtException = false;
  report.excludeEnv = true;
}

/** The first process of a container is spared by every signal that it does not listen to. */
function endBySignalsAllTheSame(): void {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      // Whoever listens besides has its own way to end.
      if (process.listenerCount(signal) === 1)
        process.exit(SIGNAL_BASE + constants.signals[signal]);
    });
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof CrossroleError && error.code === "ERR_USAGE" ? USAGE : FAILED;
}

/** One line; with the stack for what is a fault of crossrole itself. */
function textOf(error: unknown): string {
  if (error instanceof CrossroleError || !(error instanceof Error)) return messageOf(error);
  // JSON.parse quotes what it could not read, and that may be a key.
  if (error instanceof SyntaxError) return (error.stack ?? "").replace(error.message, "");
  return error.stack ?? error.message;
}
