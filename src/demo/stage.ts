/** @module All that takes part in the demo, started and ended together: STS, the daemon, the application. */
import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { devNull, tmpdir } from "node:os";
import path from "node:path";
import { CrossroleError } from "../errors.ts";
import { startChild } from "./child.ts";
import type { Child, ChildOptions } from "./child.ts";
import { BASE_KEY, startDemoSts } from "./demo-sts.ts";
import type { DemoSts } from "./demo-sts.ts";
import { GATEWAY, READER } from "./events.ts";
import type { DemoEvent } from "./events.ts";
import { eventOfLog, eventOfOutput, eventOfReport } from "./reports.ts";

export interface StageOptions {
  /** The Node that runs the children, and the files that they are. */
  readonly node: string;
  readonly main: string;
  readonly client: string;
  /** What every child's environment begins with; nothing of AWS's. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onEvent: (event: DemoEvent) => void;
}

/** Laptop files must not win: both are there, and empty. */
const NO_FILES = { AWS_CONFIG_FILE: devNull, AWS_SHARED_CREDENTIALS_FILE: devNull } as const;

export class Stage {
  readonly #options: StageOptions;
  readonly #failure = Promise.withResolvers<never>();
  #directory: string | undefined;
  #sts: DemoSts | undefined;
  #daemon: Child | undefined;
  #client: Child | undefined;
  #endpoint: string | undefined;
  /** The daemon holds the role's credentials. */
  #isWarm = false;
  #isEnding = false;

  constructor(options: StageOptions) {
    this.#options = options;
    this.#failure.promise.catch(() => {
      // Whoever waits for it is told.
    });
  }

  /** Rejects with a {@link CrossroleError} when one of them ends that should not. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  /** Starts STS and the daemon; the application follows when the daemon holds the role's credentials. */
  async start(): Promise<void> {
    this.#sts = await startDemoSts({
      now: Date.now,
      onAssumeRole: (answered) => this.#tell({ type: "stsAsked", answered, atMs: Date.now() }),
      onRefused: (accessKeyId, code) =>
        this.#tell({ type: "refused", accessKeyId, code, atMs: Date.now() }),
    });
    this.#directory = await mkdtemp(path.join(tmpdir(), "crossrole-demo-"));
    const file = path.join(this.#directory, "crossrole.yaml");
    await writeFile(file, JSON.stringify(configuration(this.#sts.url)));
    this.#daemon = this.#run("daemon", {
      args: [this.#options.main, "serve", "--config", file],
      environment: {
        AWS_ACCESS_KEY_ID: BASE_KEY.accessKeyId,
        AWS_SECRET_ACCESS_KEY: BASE_KEY.secretAccessKey,
      },
      onStdout: (line) => this.#tell(eventOfOutput(line, Date.now())),
      onStderr: (line) => this.#tell(eventOfLog(line, Date.now())),
    });
  }

  setDown(isDown: boolean): void {
    if (this.#sts !== undefined) this.#sts.isDown = isDown;
  }

  /** The application first, so that it does not see the daemon go. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#client?.end();
    await this.#daemon?.end();
    await this.#sts?.close();
    this.kill();
  }

  /** Leaves nothing behind, at once: for the exit of a process. */
  kill(): void {
    this.#isEnding = true;
    this.#client?.kill();
    this.#daemon?.kill();
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }

  #tell(event: DemoEvent | undefined): void {
    if (event === undefined || this.#isEnding) return;
    this.#options.onEvent(event);
    if (event.type === "serving") this.#endpoint = event.endpoint;
    if (event.type === "obtained" && event.role === READER.name) this.#isWarm = true;
    if (this.#isWarm && this.#endpoint !== undefined) this.#client ??= this.#app(this.#endpoint);
  }

  #app(endpoint: string): Child {
    return this.#run("app", {
      args: [this.#options.client, this.#sts?.serviceUrl ?? ""],
      environment: { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint },
      onStdout: (line) => this.#tell(eventOfReport(line, Date.now())),
      onStderr: () => {
        // The SDK's warnings; the last one is shown if the app ends.
      },
    });
  }

  #run(name: string, options: Omit<ChildOptions, "command">): Child {
    let lastWords = "";
    const child = startChild({
      ...options,
      command: this.#options.node,
      environment: { ...this.#options.environment, ...NO_FILES, ...options.environment },
      onStderr: (line) => {
        // A line of the log says what went well or badly, but not why a process ends.
        if (line.trim() !== "" && !line.startsWith("{")) lastWords = `: ${line.trim()}`;
        options.onStderr(line);
      },
    });
    void this.#watch(name, child, () => lastWords);
    return child;
  }

  async #watch(name: string, child: Child, lastWords: () => string): Promise<void> {
    const how = await child.ended;
    if (this.#isEnding) return;
    const message = `the demo's ${name} ended by itself, ${how}${lastWords()}`;
    this.#failure.reject(new CrossroleError("ERR_COMMAND_FAILED", message));
  }
}

/** The configuration file of the daemon, as its user writes it; JSON is YAML, too. */
function configuration(stsUrl: string): object {
  return {
    region: "eu-west-1",
    sts: { endpoint: stsUrl },
    bases: { operator: { environment: true } },
    roles: {
      [READER.name]: {
        arn: READER.arn,
        base: "operator",
        via: [GATEWAY.arn],
        sessionName: "demo",
      },
    },
    listeners: [{ address: "127.0.0.1:0", role: READER.name }],
  };
}
