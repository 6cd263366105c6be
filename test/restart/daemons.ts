/** @module The daemon as processes that follow each other, started by hand or by a holder of its socket. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const HOLDER = fileURLToPath(new URL("../support/socket-holder.ts", import.meta.url));
const COMPILE_CACHE = fileURLToPath(
  new URL("../../node_modules/.cache/crossrole-tests", import.meta.url),
);

/** How often the holder starts a daemon: until it is killed. */
const MANY = "1000";
const LONGEST_MS = 30_000;
const LOOK_MS = 10;

type Environment = Readonly<Record<string, string>>;

/** A program with everything it has printed. */
class Running {
  readonly child: ChildProcess;
  output = "";

  constructor(args: readonly string[], env: Environment) {
    this.child = spawn(process.execPath, args, {
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const print = (chunk: string) => (this.output += chunk);
    this.child.stdout?.setEncoding("utf8").on("data", print);
    this.child.stderr?.setEncoding("utf8").on("data", print);
  }

  async until(isSo: () => boolean): Promise<void> {
    const endMs = performance.now() + LONGEST_MS;
    while (!isSo()) {
      if (performance.now() > endMs) throw new Error(`it does not come to that: ${this.output}`);
      await sleep(LOOK_MS);
    }
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

export interface DaemonOptions {
  readonly config: string;
  readonly env: Environment;
}

/** One daemon; it is ready when it has been made. */
export class SingleDaemon {
  readonly #running: Running;

  private constructor(running: Running) {
    this.#running = running;
  }

  static async start({ config, env }: DaemonOptions): Promise<SingleDaemon> {
    const running = new Running([MAIN, "serve", "--config", config], env);
    await running.until(() => running.output.includes("export AWS_"));
    return new SingleDaemon(running);
  }

  get output(): string {
    return this.#running.output;
  }

  signal(name: NodeJS.Signals): void {
    this.#running.child.kill(name);
  }

  async stop(): Promise<void> {
    this.signal("SIGTERM");
    await this.#running.until(() => this.#running.hasEnded);
  }

  kill(): void {
    this.#running.kill();
  }
}

/** A daemon whose socket somebody else holds, and who starts it again. */
export class SocketDaemon {
  readonly #running: Running;
  #starts = 1;

  private constructor(running: Running) {
    this.#running = running;
  }

  static async start(port: number, { config, env }: DaemonOptions): Promise<SocketDaemon> {
    const command = [process.execPath, MAIN, "serve", "--config", config];
    const daemon = new SocketDaemon(
      new Running([HOLDER, MANY, `127.0.0.1:${port}`, ...command], env),
    );
    await daemon.#ready();
    return daemon;
  }

  get output(): string {
    return this.#running.output;
  }

  /** Ends the daemon in that way; the next one is ready when it resolves. */
  async restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    process.kill(this.#pid, signal);
    this.#starts++;
    await this.#ready();
  }

  /** The holder first, so that it starts no other. */
  kill(): void {
    this.#running.kill();
    process.kill(this.#pid, "SIGKILL");
  }

  get #pid(): number {
    const pids = [...this.output.matchAll(/^pid (\d+)$/gm)];
    return Number(pids.at(-1)?.[1]);
  }

  async #ready(): Promise<void> {
    await this.#running.until(() => this.output.split("export AWS_").length > this.#starts);
  }
}
