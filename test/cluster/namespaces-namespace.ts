/**
 * @module A network namespace without a name, and a process that lives in it: when that ends, which it
 * does with this process at the latest, the namespace is gone.
 */
import { execFile, spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "../clients/until.ts";
import type { AgentTask, Reply } from "./namespaces-agent-tasks.ts";

const AGENT = fileURLToPath(new URL("namespaces-agent.ts", import.meta.url));

interface Answer {
  readonly id: number;
  readonly answer?: unknown;
  readonly failure?: string;
}

export class Namespace implements AsyncDisposable {
  readonly #agent: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #closings: (() => Promise<void>)[] = [];
  #tasks = 0;
  #stderr = "";

  private constructor([program = "", ...args]: readonly string[]) {
    this.#agent = spawn(program, args, { env: { PATH: process.env["PATH"] } });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#agent.once("close", () => {
      for (const [id, settle] of this.#waiting) settle({ id, failure: `ended: ${this.#stderr}` });
      resolve();
    });
    this.#agent.once("error", (error) => (this.#stderr += error.message));
    this.#agent.stdin.on("error", () => {
      // It has ended, and whoever waits for its answer is told so.
    });
    this.#agent.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    createInterface({ input: this.#agent.stdout }).on("line", (line) => {
      const answer: Answer = JSON.parse(line);
      this.#waiting.get(answer.id)?.(answer);
    });
  }

  /** A new one; or, with `enter`, one more process in another. @throws Error when this takes more rights. */
  static async create(enter: readonly string[] = ["unshare", "--net", "--"]): Promise<Namespace> {
    const namespace = new Namespace([...enter, process.execPath, AGENT]);
    try {
      // Whatever answers has arrived in it.
      await namespace.#perform({ kind: "close" });
      return namespace;
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw new Error(`no process in a network namespace by ${enter.join(" ")}`, { cause: error });
    }
  }

  /** The process that lives here. */
  get pid(): number {
    const { pid } = this.#agent;
    if (pid === undefined) throw new Error(`not started: ${this.#stderr}`);
    return pid;
  }

  /** What a command is put behind to run here. `/sys` stays as it is, unlike with `ip netns exec`. */
  get enter(): readonly string[] {
    return ["nsenter", `--net=/proc/${this.pid}/ns/net`, "--"];
  }

  /** Runs a command to its end. @returns its stdout. @throws Error unless it ends with 0. */
  async run(command: readonly string[], input = ""): Promise<string> {
    const [program = "", ...args] = [...this.enter, ...command];
    return await new Promise((resolve, reject) => {
      const child = execFile(program, args, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${command.join(" ")}: ${stderr}`, { cause: error }));
      });
      // A program that ends without reading says why by itself.
      child.stdin?.on("error", () => undefined).end(input);
    });
  }

  /** Runs lines of `ip`, in order. */
  async ip(...lines: readonly string[]): Promise<void> {
    await this.run(["ip", "-batch", "-"], `${lines.join("\n")}\n`);
  }

  async sysctl(...settings: readonly string[]): Promise<void> {
    await this.run(["sysctl", "-q", "-w", ...settings]);
  }

  /** A request from here. */
  async ask(
    url: string,
    options: Omit<AgentTask & { kind: "ask" }, "kind" | "url"> = {},
  ): Promise<Reply> {
    return (await this.#perform({ kind: "ask", url, ...options })) as Reply;
  }

  /** Answers here with `{server: name, method, peer, local}` until {@link closeServers}. */
  async listen(name: string, addresses: readonly string[], port: number): Promise<void> {
    await this.#perform({ kind: "listen", name, addresses, port });
  }

  async closeServers(): Promise<void> {
    await this.#perform({ kind: "close" });
  }

  /**
   * Makes a server on loopback of this process's own network the same here: its URL, its port and its
   * certificate stay true. `lo` has to be up.
   */
  async relay(port: number): Promise<void> {
    const folder = await mkdtemp(path.join(tmpdir(), "crossrole-relay-"));
    const socket = path.join(folder, "socket");
    const server = createServer((near) => {
      const far = connect({ host: "127.0.0.1", port });
      near.on("error", () => far.destroy()).on("close", () => far.destroy());
      far.on("error", () => near.destroy()).on("close", () => near.destroy());
      near.pipe(far).pipe(near);
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(socket, resolve);
    this.#closings.push(async () => {
      server.close();
      await rm(folder, { recursive: true, force: true });
    });
    await promise;
    await this.#perform({ kind: "relay", port, socket });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.stdin.end();
    await this.#ended;
    await Promise.all(this.#closings.map((close) => close()));
  }

  async #perform(task: AgentTask): Promise<unknown> {
    const id = (this.#tasks += 1);
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    this.#agent.stdin.write(`${JSON.stringify({ id, task })}\n`);
    const { answer, failure } = await within(`an answer to ${task.kind}`, promise);
    this.#waiting.delete(id);
    if (failure !== undefined) throw new Error(failure);
    return answer;
  }
}
