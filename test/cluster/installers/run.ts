/** @module Runs a tool of the machine, and says what to do when it fails. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

/** A cold build of kube-apiserver takes four minutes of two idle processors. */
const TIMEOUT_MS = 45 * 60_000;

/** Compilers say much; what is said last is what counts. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Where Go's own installer puts it, which is on no path by itself. */
const GO_BIN = "/usr/local/go/bin";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** @returns what it wrote on stdout. @throws Error with `advice`. */
export async function run(
  [command = "", ...args]: readonly string[],
  advice: string,
  { cwd, env = {} }: RunOptions = {},
): Promise<string> {
  const PATH = [process.env["PATH"], GO_BIN, "/usr/sbin", "/sbin"].join(path.delimiter);
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: { ...process.env, PATH, ...env },
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_BYTES,
    });
    return stdout;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`the test cluster cannot be installed: ${advice}\n${said}`, { cause: error });
  }
}
