/** @module One test's own world: a recorder in front of moto, an empty home, and what was started in it. */
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject } from "vitest";
import { memoryDirectory } from "../support/memory.ts";
import type { MemoryDirectory } from "../support/memory.ts";
import { BASE_KEYS, crossrole, REGION } from "./crossrole.ts";
import { Daemon } from "./daemon.ts";
import type { Environment } from "./daemon.ts";
import { makeBucket } from "./moto.ts";
import { ownNetwork } from "./network.ts";
import type { Network } from "./network.ts";
import { Program } from "./program.ts";
import { Recorder } from "./recorder.ts";

/** The bucket of the role's account that every program works on. */
const BUCKET = "orders";

/** A name that somebody has made resolve to crossrole's address. */
const REBOUND = "rebind.example";

export class Scene implements AsyncDisposable {
  readonly #home: string;
  readonly #network: Network;
  readonly #started: Program[] = [];
  readonly #daemons: Program[] = [];
  readonly #memory: MemoryDirectory;
  readonly recorder: Recorder;
  /** Of STS and S3, as everybody in this scene knows them. */
  readonly url: string;

  private constructor(
    home: string,
    memory: MemoryDirectory,
    network: Network,
    recorder: Recorder,
    port: number,
  ) {
    this.#home = home;
    this.#memory = memory;
    this.#network = network;
    this.recorder = recorder;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** @param lifeMs how long STS's sessions live; an hour without it. */
  static async open(lifeMs?: number): Promise<Scene> {
    const home = await mkdtemp(path.join(tmpdir(), "crossrole-clients-"));
    await cp(path.join(import.meta.dirname, "programs"), home, { recursive: true });
    await symlink(inject("tools").nodeModules, path.join(home, "node_modules"));
    const motoUrl = inject("motoUrl");
    await makeBucket(motoUrl, "222222222222", BUCKET);
    const recorder = new Recorder(motoUrl, lifeMs);
    const socket = path.join(home, "recorder");
    const port = await recorder.listen(socket);
    const network = await ownNetwork({ port, socket });
    return new Scene(home, await memoryDirectory(), network, recorder, port);
  }

  /** What tells a client where S3 is; crossrole is told by its own configuration alone. */
  get endpoint(): Environment {
    return { AWS_ENDPOINT_URL: this.url };
  }

  /** What a client is told that is not crossrole's child: of credentials nothing. */
  get client(): Environment {
    return { ...this.endpoint, AWS_REGION: REGION, AWS_DEFAULT_REGION: REGION };
  }

  /** A path in the home folder, where the programs are. */
  file(name: string): string {
    return path.join(this.#home, name);
  }

  /** Where the daemon keeps what outlives it: a disk is refused. */
  get state(): string {
    return path.join(this.#memory.path, "state");
  }

  /** Starts a program that has nothing of this process's environment but the path. */
  start(command: readonly string[], environment: Environment = {}): Program {
    const { bin } = inject("tools");
    const env = {
      PATH: `${bin}${path.delimiter}${process.env["PATH"]}`,
      HOME: this.#home,
      ...environment,
    };
    const program = new Program([...this.#network.enter, ...command], {
      env,
      cwd: this.#home,
      explain: () => this.complaints.join("\n"),
    });
    this.#started.push(program);
    return program;
  }

  /** Starts the daemon with a configuration file, and with the base keys. */
  serve(config: object, environment: Environment = BASE_KEYS): Promise<Daemon> {
    const configFile = this.file("crossrole.json");
    const start = () => {
      const program = this.start(crossrole("serve", "--config", configFile), environment);
      this.#daemons.push(program);
      return program;
    };
    return Daemon.start({ configFile, config, start });
  }

  /** What the daemons have written at `warn` or above. */
  get complaints(): string[] {
    const lines = this.#daemons.flatMap(({ stderr }) => stderr.split("\n"));
    return lines.filter((line) => /"level":"(?:warn|error)"/.test(line));
  }

  /** Listens on `address` and passes on to `upstream`, for which every request then has a foreign name. */
  async rebind(address: string, upstream: string): Promise<void> {
    const relay = [process.execPath, "relay.mjs", address, upstream, REBOUND];
    await this.start(relay).said("stdout", /^listening/m);
  }

  /** Ends what was started, the last first. @throws Error when something of it stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const program of this.#started.toReversed())
      await program.stop().catch((error: unknown) => failures.push(error));
    await this.#network.close();
    await this.recorder.close();
    await rm(this.#home, { recursive: true });
    await this.#memory[Symbol.asyncDispose]();
    if (failures.length > 0) throw new AggregateError(failures, "a program stayed");
  }
}
