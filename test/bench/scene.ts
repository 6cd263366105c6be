/** @module What the measures share: an STS, a directory, and the servers that are compared. */
import { mkdtempSync, rmSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { owned } from "./cleanup.ts";
import type { Cores } from "./cores.ts";
import { Loader } from "./loader.ts";
import type { Program } from "./programs.ts";
import { ServerProcess } from "./server-process.ts";

const BARE = fileURLToPath(new URL("bare-server.mjs", import.meta.url));

/** The token of every role on the container routes. */
export const AUTHORIZATION = "a-token-for-every-role-of-the-bench";

/** What the bare server answers with, by path. */
export type BareAnswers = Readonly<
  Record<string, { readonly headers: Readonly<Record<string, string>>; readonly body: string }>
>;

export interface SceneOptions {
  readonly program: Program;
  /** What it is compared with. Default: the bare server. */
  readonly older: Program | undefined;
  readonly cores: Cores | undefined;
}

/** Whether a server has a processor to itself, or takes what there is, as a start does. */
interface Place {
  readonly isPinned: boolean;
}

export class Scene implements AsyncDisposable {
  readonly sts: FakeSts;
  readonly program: Program;
  readonly #older: Program | undefined;
  readonly #cores: Cores | undefined;
  readonly #directory = mkdtempSync(path.join(tmpdir(), "crossrole-bench-"));
  readonly #owned = owned(() => rmSync(this.#directory, { recursive: true, force: true }));

  static async open(options: SceneOptions): Promise<Scene> {
    return new Scene(await startFakeSts(), options);
  }

  private constructor(sts: FakeSts, { program, older, cores }: SceneOptions) {
    this.sts = sts;
    this.program = program;
    this.#older = older;
    this.#cores = cores;
  }

  /** Whether what it is compared with is a bare server, and no crossrole. */
  get isBaseBare(): boolean {
    return this.#older === undefined;
  }

  /** Writes a configuration in one step; gives its path. */
  async writeConfig(name: string, config: object): Promise<string> {
    const file = path.join(this.#directory, `${name}.json`);
    await writeFile(`${file}.new`, JSON.stringify(config));
    await rename(`${file}.new`, file);
    return file;
  }

  /** The environment in which the fake STS is asked, with a key that it knows. */
  environment(): Record<string, string> {
    const { accessKeyId, secretAccessKey } = this.sts.addKey();
    return {
      PATH: process.env["PATH"] ?? "",
      HOME: this.#directory,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_EC2_METADATA_DISABLED: "true",
      BENCH_AUTHORIZATION: AUTHORIZATION,
    };
  }

  /** The bundled daemon of this tree, just spawned. */
  crossrole(configPath: string, place: Place = { isPinned: false }): ServerProcess {
    return this.#daemon(this.program, configPath, place);
  }

  /** What it is compared with, just spawned: the bare server, or the daemon of the older commit. */
  base(
    configPath: string,
    answers: BareAnswers,
    place: Place = { isPinned: false },
  ): ServerProcess {
    if (this.#older !== undefined) return this.#daemon(this.#older, configPath, place);
    return new ServerProcess([BARE, JSON.stringify(answers)], {}, this.#coreOf(place));
  }

  /** A generator of load, on a processor that no pinned server has. */
  loader(): Loader {
    return new Loader(this.#cores?.load);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sts.close();
    this.#owned[Symbol.dispose]();
  }

  #daemon({ file }: Program, configPath: string, place: Place): ServerProcess {
    const args = [file, "serve", "--config", configPath];
    return new ServerProcess(args, this.environment(), this.#coreOf(place));
  }

  #coreOf({ isPinned }: Place): number | undefined {
    return isPinned ? this.#cores?.server : undefined;
  }
}

export function roleNames(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `reader-${at}`);
}

export function roleArn(name: string): string {
  return `arn:aws:iam::222222222222:role/${name}`;
}

/**
 * A configuration in which `listeners` listeners each serve all of `names`, and STS allows it. With
 * all that a daemon has: callers are checked, and metrics are to be had.
 */
export function configOf(
  { sts }: Scene,
  names: readonly string[],
  {
    listeners = 1,
    listener = {},
  }: { readonly listeners?: number; readonly listener?: object } = {},
): object {
  for (const name of names) sts.addRole({ arn: roleArn(name) });
  const [only] = names;
  // One role has a listener to itself, as most have.
  const served = names.length === 1 ? { role: only } : { roles: names };
  return {
    region: "eu-west-1",
    sts: { endpoint: sts.url, callsPerSecond: 1000, burst: 1000 },
    roles: Object.fromEntries(names.map((name) => [name, roleOf(name)])),
    listeners: Array.from({ length: listeners }, () => ({
      address: "127.0.0.1:0",
      ...served,
      ...listener,
    })),
    operations: { address: "127.0.0.1:0" },
  };
}

function roleOf(name: string): object {
  return { arn: roleArn(name), authorizationToken: { environment: "BENCH_AUTHORIZATION" } };
}
