/** @module Runs a tool to its end, with everything that it starts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { owned } from "./cleanup.ts";

/** @returns what it wrote on stdout. @throws Error with what it said. */
export async function command(
  [name = "", ...args]: readonly string[],
  cwd: string,
): Promise<string> {
  // In a group of its own: what npm has started must not write on when the bench is stopped.
  const child = spawn(name, args, { cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  using _ = owned(() => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  });
  const [stdout, stderr] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  if (child.exitCode === 0) return stdout;
  throw new Error(`${[name, ...args].join(" ")} failed: ${stderr}${stdout}`.trim());
}
