/** @module Where the commands of the README are run: a machine whose only programs are known, and its STS. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/free-port.ts";
import { request } from "../support/http.ts";
import { eventually, GATEWAY, Program, READER, startMachine } from "../support/program.ts";
import type { Ended, Machine } from "../support/program.ts";
import { OTHERS } from "./elsewhere.ts";
import { blocks } from "./page.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const LIBRARY = new URL("../../src/library.ts", import.meta.url).href;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The programs of the examples that want credentials. */
const APPLICATIONS = ["python", "aws"] as const;

const [CONFIGURATION = ""] = blocks("yaml");

export interface Outcome extends Ended {
  /** The commands that were other programs', each on a line. */
  readonly others: readonly string[];
  /** The access key ids that applications have found, and whether STS has issued each. */
  readonly keys: readonly string[];
}

export class Scene implements AsyncDisposable {
  readonly machine: Machine;
  readonly #ports = new Map<string, number>();
  #daemon: Program | undefined;

  private constructor(machine: Machine) {
    this.machine = machine;
    machine.sts.addRole({ arn: GATEWAY });
  }

  static async open(): Promise<Scene> {
    const scene = new Scene(await startMachine());
    await mkdir(scene.#file("bin"));
    await writeFile(scene.#file("others"), "");
    const node = `exec '${process.execPath}'`;
    await scene.#program("node", `${node} "$@"`);
    await scene.#program(
      "crossrole",
      `case " $* " in
      " serve "* | *" --watch "*) ${node} '${here("ctrl-c.mjs")}' '${process.execPath}' '${MAIN}' "$@" ;;
      *) ${node} '${MAIN}' "$@" ;;
      esac`,
    );
    for (const name of APPLICATIONS)
      await scene.#program(name, `${node} '${here("application.mjs")}'`);
    for (const name of OTHERS)
      await scene.#program(name, `echo "${name} $*" >> '${scene.#file("others")}'`);
    await scene.machine.write("crossrole.yaml", await scene.local(CONFIGURATION));
    return scene;
  }

  /** `text` with addresses and files of this scene in the place of those of the page. */
  async local(text: string): Promise<string> {
    for (const [, port = ""] of text.matchAll(/127\.0\.0\.1:(99\d\d)\b/g))
      this.#ports.set(port, this.#ports.get(port) ?? (await freePort()));
    return text
      .replaceAll(/(?<=127\.0\.0\.1:)99\d\d\b/g, (port) => String(this.#ports.get(port)))
      .replaceAll("http://127.0.0.1:5000", this.machine.sts.url)
      .replaceAll("/etc/crossrole/", `${this.machine.directory}/`)
      .replaceAll('from "crossrole"', `from "${LIBRARY}"`);
  }

  /** Starts the daemon of `crossrole.yaml`, and waits until it has the role. */
  async serve(): Promise<void> {
    const args = ["serve", "--config", this.#file("crossrole.yaml")];
    this.#daemon = new Program(args, { env: { ...this.#env, ...this.#keys }, longestMs: 60_000 });
    const operations = `http://127.0.0.1:${this.#ports.get("9910")}`;
    await eventually(async () => {
      if ((await request(operations, "/readyz")).status !== 200) throw new Error("not ready");
    });
  }

  /** Runs a script as it stands on the page, by a shell that stops at the first failure. */
  async run(script: string): Promise<Outcome> {
    // Where it is asked what wins over crossrole is the application's environment, which has no key.
    const env = { ...this.#env, ...(script.includes("--client") ? {} : this.#keys) };
    // A shell would go on behind a failure on the left of `&&`.
    const lines = (await this.local(script)).replaceAll(" && ", "\n");
    return await this.#end(["-eu", "-c", lines], "/bin/sh", env);
  }

  /** Runs a module of TypeScript. */
  async runModule(code: string): Promise<Outcome> {
    const file = await this.machine.write("example.mts", await this.local(code));
    return await this.#end([file], process.execPath, { ...this.#env, ...this.#keys });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]();
    await this.machine[Symbol.asyncDispose]();
  }

  get #env(): Record<string, string> {
    const { directory, sts } = this.machine;
    return { PATH: this.#file("bin"), HOME: directory, AWS_ENDPOINT_URL_STS: sts.url };
  }

  get #keys(): Record<string, string> {
    const { accessKeyId, secretAccessKey } = this.machine.key;
    return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  }

  async #end(args: readonly string[], program: string, env: Record<string, string>) {
    const cwd = this.machine.directory;
    await using run = new Program(args, { command: [program], cwd, env, longestMs: 60_000 });
    const ended = await run.ended;
    const others = (await readFile(this.#file("others"), "utf8")).split("\n").filter(Boolean);
    const issued = this.machine.sts.issued.filter(({ roleArn }) => roleArn === READER);
    const keys = [...ended.stdout.matchAll(/^application: (\S+)$/gm)].map(([, key = ""]) =>
      issued.some(({ accessKeyId }) => accessKeyId === key) ? "issued" : `not issued: ${key}`,
    );
    return { ...ended, others, keys };
  }

  #file(name: string): string {
    return path.join(this.machine.directory, name);
  }

  async #program(name: string, script: string): Promise<void> {
    const file = path.join(this.#file("bin"), name);
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
  }
}
