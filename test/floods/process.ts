/** @module The daemon as a process of its own, with what the kernel knows of its memory. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { eventually, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/**
 * Without these V8 lets its young generation double at some time of a flood, and leaves garbage where
 * it is for as long as there is room: neither says anything of what the daemon keeps.
 */
const COLLECTOR = fileURLToPath(new URL("collect.ts", import.meta.url));
export const MEASURED = ["--max-semi-space-size=1", "--expose-gc", "--import", COLLECTOR];

const KIB_PER_MIB = 1_024;

/** A daemon that answers for one role on loopback, to whoever is this user. */
export class DaemonProcess implements AsyncDisposable {
  readonly machine: Machine;
  port = 0;
  /** Its log so far. */
  log = "";
  readonly #child: ChildProcess;

  private constructor(machine: Machine, nodeOptions: readonly string[], level: string) {
    this.machine = machine;
    const listen = ["--listen", "127.0.0.1:0", "--log-level", level];
    this.#child = spawn(
      process.execPath,
      [...nodeOptions, MAIN, "serve", ...machine.role, ...listen],
      { env: { ...machine.env }, stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (this.log += chunk));
    let printed = "";
    this.#child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      printed += chunk;
      this.port = Number(/:(\d+)\n/.exec(printed)?.[1] ?? 0);
    });
  }

  /** Started, listening, and with credentials in its hands. */
  static async start(nodeOptions: readonly string[] = [], level = "info"): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(await startMachine(), nodeOptions, level);
    await eventually(() => {
      if (daemon.port === 0) throw new Error(`not listening: ${daemon.log}`);
      if (!daemon.log.includes("sessionName")) throw new Error(`no credentials: ${daemon.log}`);
    });
    return daemon;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Lines of the log in which the daemon says that it has refused something. */
  get refusals(): string[] {
    return this.log.split("\n").filter((line) => line.includes("refused"));
  }

  /** MiB of memory that are this process's alone, of a {@link MEASURED} one without its garbage. */
  async memoryMiB(): Promise<number> {
    const samples: number[] = [];
    for (let index = 0; index < 5; index++) {
      this.collect();
      await sleep(200);
      const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8");
      samples.push(Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / KIB_PER_MIB);
    }
    return Math.min(...samples);
  }

  /** Tells a {@link MEASURED} daemon to collect its garbage. */
  collect(): void {
    this.#child.kill("SIGUSR2");
  }

  /** Open file descriptors. */
  async sockets(): Promise<number> {
    return (await readdir(`/proc/${this.#child.pid}/fd`)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (!this.isRunning) resolve();
    this.#child.once("close", () => resolve());
    this.#child.kill("SIGKILL");
    await promise;
    await this.machine[Symbol.asyncDispose]();
  }
}
