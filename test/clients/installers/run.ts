/** @module Runs a tool of the machine, and says what to do when it fails. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const TIMEOUT_MS = 10 * 60_000;

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
  const PATH = [process.env["PATH"], GO_BIN].join(path.delimiter);
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: { ...process.env, PATH, ...env },
      timeout: TIMEOUT_MS,
    });
    return stdout;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`the clients cannot be installed: ${advice}\n${said}`, { cause: error });
  }
}

/** A file of the tests of clients. */
export function source(name: string): string {
  return path.join(import.meta.dirname, "..", name);
}
