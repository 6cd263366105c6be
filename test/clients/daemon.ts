/** @module `crossrole serve` with a configuration file, as a client beside it meets it. */
import { readFile, writeFile } from "node:fs/promises";
import type { Program } from "./program.ts";

export type Environment = Readonly<Record<string, string>>;

export interface DaemonOptions {
  readonly configFile: string;
  readonly config: object;
  readonly start: () => Program;
}

const EXPORT = /^export (.+)$/m;
const ADDRESS = /^http:\/\/([^/]+)/;

export class Daemon {
  readonly #options: DaemonOptions;
  #program: Program;
  /** The variables that it says a client needs. */
  readonly client: Environment;
  /** IP:PORT. */
  readonly address: string;

  private constructor(options: DaemonOptions, program: Program, client: Environment) {
    this.#options = options;
    this.#program = program;
    this.client = client;
    const url = new URL(ADDRESS.exec(Object.values(client)[0] ?? "")?.[0] ?? "");
    this.address = `${url.hostname}:${url.port || "80"}`;
  }

  static async start(options: DaemonOptions): Promise<Daemon> {
    const { program, client } = await started(options);
    return new Daemon(options, program, client);
  }

  /** SIGTERM, and a new one with the same configuration, which has to name a port. */
  async restart(): Promise<void> {
    await this.#program.stop();
    this.#program = (await started(this.#options)).program;
  }

  /** Whether a client is connected to it now, as the kernel sees it. */
  async isAsked(): Promise<boolean> {
    const port = Number(this.address.split(":")[1]).toString(16).toUpperCase().padStart(4, "0");
    const table = await readFile(`/proc/${this.#program.pid}/net/tcp`, "utf8");
    const ESTABLISHED = "01";
    return table.split("\n").some((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      return local.endsWith(`:${port}`) && state === ESTABLISHED;
    });
  }
}

async function started({ configFile, config, start }: DaemonOptions) {
  await writeFile(configFile, JSON.stringify(config));
  const program = start();
  const [, words = ""] = await program.said("stdout", EXPORT);
  const client = Object.fromEntries(
    words.split(" ").map((word) => {
      const [name = "", ...value] = word.split("=");
      return [name, value.join("=")] as const;
    }),
  );
  return { program, client };
}
