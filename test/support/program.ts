/** @module crossrole as a user has it: a process of its own, with an environment, a directory and an STS. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { startFakeSts } from "./fake-sts.ts";
import type { FakeKey, FakeSts } from "./fake-sts.ts";

export const READER = "arn:aws:iam::222222222222:role/orders-reader";
export const GATEWAY = "arn:aws:iam::111111111111:role/gateway";

export const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** Compiled once for all processes of all runs: what is in it is checked by its hash. */
const COMPILE_CACHE = fileURLToPath(
  new URL("../../node_modules/.cache/crossrole-tests", import.meta.url),
);

/** Against what hangs. Less than the time-out of a test, and more than whatever is waited for: 60 seconds. */
const LONGEST_MS = 60_000;
/** However busy the machine is: 30 seconds. */
const EVENTUALLY_MS = 30_000;

type Environment = Readonly<Record<string, string | undefined>>;

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stderr. */
  readonly errors: readonly string[];
  /** Milliseconds from its start to its end. */
  readonly elapsedMs: number;
}

export interface StartOptions {
  readonly env?: Environment;
  readonly cwd?: string;
  /** What is on its standard input; nothing by default. */
  readonly input?: string;
  /** What is run instead of the sources by Node: a program, and arguments before those of crossrole. */
  readonly command?: readonly [string, ...string[]];
  /** When it is killed at the latest, in milliseconds. Default: 60 s. */
  readonly longestMs?: number;
}

/** A running crossrole; disposed of, it and whatever it has started are killed. */
export class Program implements AsyncDisposable {
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #deadline: NodeJS.Timeout;

  constructor(args: readonly string[], options: StartOptions = {}) {
    const { env = {}, cwd, input = "", longestMs = LONGEST_MS } = options;
    const { command = [process.execPath, MAIN] } = options;
    const [program, ...before] = command;
    const startedMs = performance.now();
    this.#child = spawn(program, [...before, ...args], {
      cwd,
      env: definedIn({ NODE_COMPILE_CACHE: COMPILE_CACHE, ...env }),
      // A process group of its own, so that its children end with it.
      detached: true,
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (this.stdout += chunk));
    this.#child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.stderr += chunk));
    // A program that ends without reading is no fault of the test.
    this.#child.stdin?.on("error", () => undefined).end(input);
    // A test that runs into its time-out disposes of nothing.
    this.#deadline = setTimeout(() => this.#kill(), longestMs);
    const { promise, resolve, reject } = Promise.withResolvers<Ended>();
    this.#child.once("error", reject);
    this.#child.once("close", (code, signal) => {
      clearTimeout(this.#deadline);
      const { stdout, stderr } = this;
      const errors = stderr.split("\n").filter((line) => line !== "");
      const elapsedMs = performance.now() - startedMs;
      resolve({ code, signal, stdout, stderr, errors, elapsedMs });
    });
    this.ended = promise;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends a signal to crossrole alone. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Waits until `text` is on stdout. */
  async printed(text: string): Promise<void> {
    await eventually(() => {
      if (!this.stdout.includes(text))
        throw new Error(`no ${text} in ${this.stdout}${this.stderr}`);
    });
  }

  /** Waits until the log on stderr has `event`, `times` times. */
  async logged(event: string, times = 1): Promise<void> {
    await eventually(() => {
      if (this.stderr.split(event).length <= times)
        throw new Error(`no ${event} in ${this.stderr}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await this.ended;
  }

  #kill(): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null)
      process.kill(-pid, "SIGKILL");
  }
}

/** Runs crossrole to its end. */
export async function crossrole(
  args: readonly string[],
  options: StartOptions = {},
): Promise<Ended> {
  await using program = new Program(args, options);
  return await program.ended;
}

/** Asks again until `check` throws no more, for as long as a busy machine may take. */
export async function eventually<T>(
  check: () => T | Promise<T>,
  timeout = EVENTUALLY_MS,
): Promise<T> {
  return await vi.waitFor(check, { timeout, interval: 20 });
}

/** A machine: an empty home directory, an STS with {@link READER}, and a user whose key is in `env`. */
export interface Machine extends AsyncDisposable {
  readonly directory: string;
  readonly sts: FakeSts;
  readonly key: FakeKey;
  /** With the user's key. */
  readonly env: Environment;
  /** Without any credentials. */
  readonly bareEnv: Environment;
  /** `--role-arn` of {@link READER} at the STS of this machine. */
  readonly role: readonly string[];
  /** Writes a file of the home directory, in one step; gives its path. */
  write(name: string, content: string | object): Promise<string>;
}

export async function startMachine(): Promise<Machine> {
  const directory = await realpath(await mkdtemp(path.join(tmpdir(), "crossrole-")));
  const sts = await startFakeSts();
  sts.addRole({ arn: READER });
  const key = sts.addKey();
  const bareEnv = {
    PATH: process.env["PATH"],
    HOME: directory,
    // There may be a real instance metadata service around, or a black hole.
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const keys = {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
  };
  return {
    directory,
    sts,
    key,
    bareEnv,
    env: { ...bareEnv, ...keys },
    role: ["--role-arn", READER, "--sts-endpoint", sts.url],
    write: async (name, content) => {
      const file = path.join(directory, name);
      const text = typeof content === "string" ? content : JSON.stringify(content);
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
      return file;
    },
    [Symbol.asyncDispose]: async () => {
      await sts.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A command that runs `code` in Node. */
export function node(code: string): string[] {
  return [process.execPath, "-e", code];
}

function definedIn(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
}
