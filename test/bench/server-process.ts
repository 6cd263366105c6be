/** @module A server in a process of its own: when it listens, what it costs, how it ends. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { owned } from "./cleanup.ts";
import { pinned } from "./cores.ts";

/** Linux tells processor time in hundredths of a second, whatever the kernel counts in. */
const MS_PER_TICK = 10;

/** Whatever is waited for comes within 30 s, or never. */
const PATIENCE_MS = 30_000;

/** Of what a server has said, when it has ended. */
const LAST_LINES = 5;

export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #startMs = performance.now();
  readonly #owned: Disposable;
  #stdout = "";
  #stderr = "";

  /** @param core the only processor it runs on, with all its threads */
  constructor(args: readonly string[], env: Readonly<Record<string, string>>, core?: number) {
    const [command = "", ...rest] = [...pinned(core), process.execPath, ...args];
    this.#child = spawn(command, rest, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#owned = owned(() => this.#child.kill("SIGKILL"));
    this.#child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (this.#stdout += chunk));
    this.#child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.#stderr += chunk));
  }

  /** Waits for the line that says where it listens. */
  async listening(): Promise<{ readonly port: number; readonly elapsedMs: number }> {
    const port = await this.#until(() => /http:\/\/127\.0\.0\.1:(\d+)/.exec(this.#stdout)?.[1]);
    return { port: Number(port), elapsedMs: this.ageMs() };
  }

  /** Milliseconds since it was spawned. */
  ageMs(): number {
    return performance.now() - this.#startMs;
  }

  /** The ports of all its listeners, once there are `count`. */
  async ports(count: number): Promise<number[]> {
    return await this.#until(() => {
      const found = [...this.#stdout.matchAll(/http:\/\/127\.0\.0\.1:(\d+)/g)].map(
        ([, port]) => port,
      );
      const ports = [...new Set(found.map(Number))];
      return ports.length === count ? ports : undefined;
    });
  }

  async logged(event: string): Promise<void> {
    await this.#until(() => this.#stderr.includes(`"${event}"`) || undefined);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Processor time of all its threads so far; NaN where the kernel does not tell. */
  cpuMs(): number {
    const stat = this.#proc("stat");
    // The name of the program, in brackets, may hold spaces.
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields?.[11]) + Number(fields?.[12])) * MS_PER_TICK;
  }

  /** Memory that is in RAM and nobody else's: no file behind it, shared with no process; or NaN. */
  privateKiB(): number {
    const line = /^RssAnon:\s*(\d+) kB$/m.exec(this.#proc("status") ?? "")?.[1];
    return line === undefined ? Number.NaN : Number(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    const isRunning = exitCode === null && signalCode === null;
    const ended = isRunning ? once(this.#child, "exit") : undefined;
    this.#owned[Symbol.dispose]();
    await ended;
    if (isRunning) return;
    throw new Error(`a server ended by itself (${exitCode ?? signalCode}): ${this.#lastLines()}`);
  }

  #lastLines(): string {
    return this.#stderr.split("\n").slice(-LAST_LINES).join("\n");
  }

  #proc(name: string): string | undefined {
    try {
      return readFileSync(`/proc/${this.#child.pid}/${name}`, "utf8");
    } catch {
      return undefined;
    }
  }

  /** What `find` finds, looked for whenever the process has written something. */
  async #until<T>(find: () => T | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const check = () => {
      const found = find();
      if (found !== undefined) resolve(found);
    };
    const fail = (why: string) => () => reject(new Error(`${why}: ${this.#stdout}${this.#stderr}`));
    const timer = setTimeout(fail("the server says nothing"), PATIENCE_MS);
    const streams = [this.#child.stdout, this.#child.stderr];
    for (const stream of streams) stream?.on("data", check);
    this.#child.once("exit", fail("the server ended"));
    check();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      for (const stream of streams) stream?.off("data", check);
    }
  }
}
