/** @module Where the project is, and how the scripts run its tools. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

export const ROOT = path.join(import.meta.dirname, "..");
/** What the package and the image are made of. */
export const BUNDLE = path.join(ROOT, "bundle");

const MAX_BYTES = 64 * 1024 * 1024;

/** @returns what it wrote on stdout. @throws Error with what it said. */
export async function run([command = "", ...args]: readonly string[]): Promise<string> {
  const PATH = [path.join(ROOT, "node_modules", ".bin"), process.env["PATH"]].join(path.delimiter);
  const { stdout } = await promisify(execFile)(command, args, {
    cwd: ROOT,
    env: { ...process.env, PATH },
    maxBuffer: MAX_BYTES,
  }).catch((error: unknown) => {
    const said = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
    throw new Error(`${command} failed: ${said}`, { cause: error });
  });
  return stdout;
}
