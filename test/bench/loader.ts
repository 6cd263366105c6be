/** @module The load generator as the measures use it: a call each, in a process that takes no time of theirs. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { owned } from "./cleanup.ts";
import { pin } from "./cores.ts";
import type { Tasks } from "./load-generator.ts";

const GENERATOR = fileURLToPath(new URL("load-generator.ts", import.meta.url));

export class Loader implements Disposable {
  readonly #child: ChildProcess;
  readonly #owned: Disposable;

  constructor(core: number | undefined) {
    this.#child = fork(GENERATOR);
    this.#owned = owned(() => this.#child.kill("SIGKILL"));
    pin(this.#child.pid, core);
  }

  async run<Name extends keyof Tasks>(
    name: Name,
    input: Parameters<Tasks[Name]>[0],
  ): Promise<Awaited<ReturnType<Tasks[Name]>>> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply<Name>>();
    const fail = () => reject(new Error("the load generator ended"));
    this.#child.once("message", resolve).once("exit", fail);
    this.#child.send({ name, input });
    const reply = await promise;
    this.#child.off("exit", fail);
    if (reply.error !== undefined) throw new Error(`the load generator failed: ${reply.error}`);
    return reply.output;
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }
}

interface Reply<Name extends keyof Tasks> {
  readonly error?: string;
  readonly output: Awaited<ReturnType<Tasks[Name]>>;
}
