/** @module The load generator as the rows use it: a call each, in a process that takes no time of theirs. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Tasks } from "./load-generator.ts";

const GENERATOR = fileURLToPath(new URL("load-generator.ts", import.meta.url));

export class Loader implements Disposable {
  readonly #child = fork(GENERATOR);

  async run<Name extends keyof Tasks>(
    name: Name,
    input: Parameters<Tasks[Name]>[0],
  ): Promise<Awaited<ReturnType<Tasks[Name]>>> {
    this.#child.send({ name, input });
    const [reply] = (await once(this.#child, "message")) as [Reply<Name>];
    if (reply.error !== undefined) throw new Error(`the load generator failed: ${reply.error}`);
    return reply.output;
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

interface Reply<Name extends keyof Tasks> {
  readonly error?: string;
  readonly output: Awaited<ReturnType<Tasks[Name]>>;
}
