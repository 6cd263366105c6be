/** @module A child process: started here, talked to, and ended here by its own id. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { until, within } from "./until.ts";

/** How long a program may take to end after SIGTERM. */
const GRACE_MS = 5_000;

/** How long a client may try before it gives up. */
const FAILURE_MS = 60_000;

/** Process groups that live: whatever ends this process ends them too. */
const alive = new Set<number>();
process.once("exit", () => {
  for (const group of alive) signalGroup(group, "SIGKILL");
});

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProgramOptions {
  readonly env: Record<string, string>;
  readonly cwd: string;
  /** What others have to say about its failure. */
  readonly explain?: () => string;
}

export class Program {
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #group: number;
  readonly #explain: () => string;
  readonly ended: Promise<Ending>;
  ending: Ending | undefined;
  stdout = "";
  stderr = "";

  constructor(
    [command = "", ...args]: readonly string[],
    { explain = () => "", ...options }: ProgramOptions,
  ) {
    this.#explain = explain;
    this.#name = [command, ...args].join(" ");
    // A group of its own, so that what the program leaves behind is seen, and ended with it.
    this.#child = spawn(command, args, { ...options, detached: true, stdio: "pipe" });
    if (this.#child.pid === undefined) throw new Error(`${this.#name} cannot be started`);
    this.#group = this.#child.pid;
    alive.add(this.#group);
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.#child.stdin.on("error", () => {
      // It has ended, and whoever waits for its answer is told so.
    });
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.#child.once("close", (code, signal) => resolve((this.ending = { code, signal })));
    this.ended = promise;
  }

  get pid(): number {
    return this.#group;
  }

  /** What `pattern` finds in stdout or stderr, as soon as it is there. */
  said(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> {
    return until(`${this.#name} says ${pattern.source}`, () => {
      const match = pattern.exec(this[stream]);
      if (match === null && this.ending !== undefined) throw this.#failure("ended");
      return match ?? undefined;
    });
  }

  /** Writes one line and waits for the line that answers it. */
  async ask(line: string): Promise<void> {
    const answers = this.#lines();
    this.#child.stdin.write(`${line}\n`);
    await until(`${this.#name} answers`, () => {
      if (this.#lines() > answers) return true;
      if (this.ending !== undefined) throw this.#failure("ended");
      return undefined;
    });
  }

  /** Closes stdin and waits for the end. @throws Error unless it ends with 0 and without a word on stderr. */
  async finish(): Promise<string> {
    this.#child.stdin.end();
    const { code } = await within(`the end of ${this.#name}`, this.ended);
    if (code !== 0 || this.stderr !== "") throw this.#failure(`ended with ${code}`);
    return this.stdout;
  }

  /** Writes one line, which it answers by ending. @throws Error when it answers it, or ends with 0. */
  async fail(line: string): Promise<void> {
    this.#child.stdin.end(`${line}\n`);
    const { code } = await within(`the end of ${this.#name}`, this.ended, FAILURE_MS);
    if (code === 0 || this.stdout !== "") throw this.#failure(`ended with ${code}`);
  }

  /** SIGTERM, and SIGKILL for what is still there 5 s later, which is an error. */
  async stop(): Promise<void> {
    if (this.ending === undefined) this.#child.kill("SIGTERM");
    const isGone = () => this.ending !== undefined && !signalGroup(this.#group, 0);
    try {
      await until(`${this.#name} is gone`, isGone, GRACE_MS);
    } finally {
      signalGroup(this.#group, "SIGKILL");
      alive.delete(this.#group);
    }
  }

  #lines(): number {
    return this.stdout.split("\n").length;
  }

  #failure(how: string): Error {
    return new Error(`${this.#name} ${how}\n${this.stdout}${this.stderr}${this.#explain()}`);
  }
}

/** @returns whether the group still has a process. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}
