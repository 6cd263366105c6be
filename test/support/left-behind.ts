/** @module A process that serves a role by the library and closes it: what is open in it then, and whether it ends. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("left-behind-process.ts", import.meta.url));

/** Long for a process that has nothing left to do. */
const PATIENCE_MS = 30_000;

export interface Served {
  /** The library's file, from source or as it is bundled. */
  readonly library: string;
  readonly roleArn: string;
  readonly stsEndpoint: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface LeftBehind {
  /** Timers, sockets, watchers and threads while it served. */
  readonly open: readonly string[];
  /** Those of them that are still there when it has been closed, whether or not they keep it alive. */
  readonly left: readonly string[];
  /** What keeps the process alive after `close()`, as `process.getActiveResourcesInfo` names it. */
  readonly keepingAlive: readonly string[];
}

/** @throws Error when the process does not end by itself. */
export async function leftBehind(served: Served): Promise<LeftBehind> {
  const { environment, ...options } = served;
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  const [stdout, stderr] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  clearTimeout(timer);
  if (child.exitCode === 0) return JSON.parse(stdout);
  const why = child.signalCode === null ? "failed" : "does not end after close()";
  throw new Error(`the process that closes crossrole ${why}: ${stdout}${stderr}`);
}
