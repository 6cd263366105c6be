/** @module Runs a tool of the machine, and says what to do when it fails. */
import { execFile } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

/** Against what hangs: a cold build of kube-apiserver takes four minutes of two idle processors. */
const TIMEOUT_MS = 45 * 60_000;

/** Compilers say much; what is said last is what counts. */
const MAX_BYTES = 64 * 1024 * 1024;
const TOLD = 4_000;

/** Where Go's own installer puts it and where Debian has root's programs: not on every user's path. */
const MORE_FOLDERS = ["/usr/local/go/bin", "/usr/sbin", "/sbin"];

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Where commands are looked for. */
export function commandPath(): string[] {
  return [...(process.env["PATH"] ?? "").split(path.delimiter), ...MORE_FOLDERS];
}

/** @returns what it wrote on stdout. @throws Error with `advice` and the end of what it said. */
export async function run(
  [command = "", ...args]: readonly string[],
  advice = "see why",
  { cwd, env = {} }: RunOptions = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: { ...process.env, PATH: commandPath().join(path.delimiter), ...env },
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_BYTES,
    });
    return stdout;
  } catch (error) {
    const said = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
    const message = `${command} ${args[0] ?? ""} failed: ${advice}\n${said.slice(-TOLD)}${String(error)}`;
    throw new Error(message, { cause: error });
  }
}

/** The folder in which a suite keeps what it has installed, outside of the project. */
export function cacheFolder(suite: string): string {
  const { CROSSROLE_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  if (CROSSROLE_TEST_CACHE) return path.resolve(CROSSROLE_TEST_CACHE, suite);
  return path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "crossrole", suite);
}
