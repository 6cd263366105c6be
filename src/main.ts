#!/usr/bin/env node
/** @module The command line: what is asked for, and which exit code it ends with. */
import { readFileSync, writeFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { credentialProcessCommand } from "./commands/credential-process.ts";
import { demoCommand } from "./commands/demo.ts";
import { CommandError, execCommand } from "./commands/exec.ts";
import { schemaCommand } from "./commands/schema.ts";
import { serveCommand } from "./commands/serve.ts";
import { CrossroleError, messageOf } from "./errors.ts";

const FAILED = 1;
const USAGE = 2;

// The inspector shows every secret of a process to whoever may signal it: a listener takes its place.
process.on("SIGUSR1", () => undefined);
keepSecretsOutOfCoreDumps();

const program = new Command("crossrole")
  .description("cross-account AWS credentials that never go stale, for unmodified applications")
  .version(version())
  .enablePositionalOptions()
  .exitOverride();

for (const add of [serveCommand, execCommand, credentialProcessCommand, schemaCommand, demoCommand])
  add(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // Commander has printed what it has to say, help and errors alike.
  if (!(error instanceof CommanderError)) process.stderr.write(`crossrole: ${textOf(error)}\n`);
}
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

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof CrossroleError && error.code === "ERR_USAGE" ? USAGE : FAILED;
}

/** One line; with the stack for what is a fault of crossrole itself. */
function textOf(error: unknown): string {
  if (error instanceof CrossroleError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}
