/** @module What the rows share: an STS, a directory, and the two servers that are compared. */
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { ServerProcess } from "./server-process.ts";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const BARE = fileURLToPath(new URL("bare-server.mjs", import.meta.url));

/** The token of every role on the container routes. */
export const AUTHORIZATION = "a-token-for-every-role-of-the-bench";

/** What the bare server answers with. */
export interface BareAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Scene extends AsyncDisposable {
  readonly sts: FakeSts;
  /** Writes a configuration in one step; gives its path. */
  writeConfig(name: string, config: object): Promise<string>;
  /** The built daemon, just spawned. */
  crossrole(configPath: string): ServerProcess;
  /** The bare server, just spawned. */
  bare(answer?: BareAnswer): ServerProcess;
}

export async function openScene(): Promise<Scene> {
  const directory = await mkdtemp(path.join(tmpdir(), "crossrole-bench-"));
  const sts = await startFakeSts();
  const key = sts.addKey();
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: "true",
    BENCH_AUTHORIZATION: AUTHORIZATION,
  };
  return {
    sts,
    writeConfig: async (name, config) => {
      const file = path.join(directory, `${name}.json`);
      await writeFile(`${file}.new`, JSON.stringify(config));
      await rename(`${file}.new`, file);
      return file;
    },
    crossrole: (configPath) =>
      new ServerProcess([MAIN, "serve", "--config", configPath], environment),
    bare: (answer) => new ServerProcess([BARE, JSON.stringify(answer ?? {})]),
    [Symbol.asyncDispose]: async () => {
      await sts.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function roleNames(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `reader-${at}`);
}

export function roleArn(name: string): string {
  return `arn:aws:iam::222222222222:role/${name}`;
}

/** A configuration in which `listeners` listeners each serve all of `names`, and STS allows it. */
export function configOf({ sts }: Scene, names: readonly string[], listeners = 1): object {
  for (const name of names) sts.addRole({ arn: roleArn(name) });
  const [only] = names;
  // One role has a listener to itself, as most have.
  const served = names.length === 1 ? { role: only } : { roles: names, allowUsers: "any" };
  return {
    region: "eu-west-1",
    sts: { endpoint: sts.url, callsPerSecond: 1000, burst: 1000 },
    roles: Object.fromEntries(names.map((name) => [name, roleOf(name)])),
    listeners: Array.from({ length: listeners }, () => ({ address: "127.0.0.1:0", ...served })),
  };
}

function roleOf(name: string): object {
  return { arn: roleArn(name), authorizationToken: { environment: "BENCH_AUTHORIZATION" } };
}
