/** @module A child process of the demo: its lines as they come, and an end that is sure to come. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly onStdout: (line: string) => void;
  readonly onStderr: (line: string) => void;
}

export interface Child {
  /** How it ended, in words: `exit code 1`. */
  readonly ended: Promise<string>;
  /** Asks it to end, and makes it after 4 s. */
  end(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

const PATIENCE_MS = 4_000;

export function startChild(options: ChildOptions): Child {
  const { command, args, environment: env, onStdout, onStderr } = options;
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  createInterface({ input: child.stdout }).on("line", onStdout);
  createInterface({ input: child.stderr }).on("line", onStderr);
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  child.once("error", (error) => resolve(error.message));
  child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
  const kill = () => void child.kill("SIGKILL");
  const end = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(kill, PATIENCE_MS);
    await ended;
    clearTimeout(timer);
  };
  return { ended, end, kill };
}
