/** @module The program with a canary wherever a secret may be, and everything that it leaves behind. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/program.ts";
import { CANARY } from "../support/fake-sts.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/crossrole-tests", import.meta.url));
export const CRASH_ON_SIGNAL = new URL("crash-on-signal.ts", import.meta.url).href;

/** A directory that is home, and working directory, to the program. */
export interface Home extends AsyncDisposable {
  readonly path: string;
  readonly write: (name: string, content: string | object) => Promise<string>;
}

export async function makeHome(): Promise<Home> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "crossrole-secrets-")));
  return {
    path,
    write: async (name, content) => {
      const file = join(path, name);
      await mkdir(join(file, ".."), { recursive: true });
      await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
      return file;
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

export interface RunOptions {
  readonly home: Home;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the kernel may write a core file of any size. */
  readonly cores?: boolean;
}

/** A running crossrole. */
export class Run implements AsyncDisposable {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #home: Home;
  readonly #before: ReadonlyMap<string, string>;
  readonly #closed: Promise<unknown>;

  private constructor({ home, args, env, cores = false }: RunOptions, before: Map<string, string>) {
    this.#home = home;
    this.#before = before;
    const command = [process.execPath, MAIN, ...args];
    const limit = cores ? "unlimited" : "0";
    this.child = spawn("sh", ["-c", `ulimit -c ${limit}; exec "$@"`, "sh", ...command], {
      cwd: home.path,
      env: {
        PATH: process.env["PATH"],
        HOME: home.path,
        AWS_EC2_METADATA_DISABLED: "true",
        NODE_COMPILE_CACHE: CACHE,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (this.stdout += chunk));
    this.child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.stderr += chunk));
    this.#closed = once(this.child, "close");
  }

  static async start(options: RunOptions): Promise<Run> {
    return new Run(options, await filesIn(options.home.path));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The URLs of the lines to paste, once there are `count`. */
  async urls(count = 1): Promise<string[]> {
    return await eventually(() => {
      const lines = this.stdout.split("\n").slice(0, -1);
      if (lines.length < count) throw new Error(`no address in ${this.stdout}${this.stderr}`);
      return lines.map((line) => /http:\/\/[\d.]+:\d+/.exec(line)?.[0] ?? "");
    }, 30_000);
  }

  async ended(): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    await this.#closed;
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  /** The files that are new or other than before its start, by their path below home. */
  async written(): Promise<Map<string, string>> {
    const now = await filesIn(this.#home.path);
    return new Map([...now].filter(([name, content]) => this.#before.get(name) !== content));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.child.kill("SIGKILL");
    await this.#closed;
  }
}

/** Where one of `secrets`, or a canary, is in `text`: some characters around it, or undefined. */
export function leakIn(text: string, secrets: Iterable<string> = []): string | undefined {
  for (const secret of [CANARY, ...secrets]) {
    const at = text.indexOf(secret);
    if (at >= 0) return text.slice(Math.max(0, at - 200), at + 50);
  }
  return undefined;
}

async function filesIn(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = new Map<string, string>();
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path.slice(directory.length + 1), await readFile(path, "latin1"));
  }
  return files;
}
