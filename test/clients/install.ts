/** @module Installs the clients and moto, pinned, into a cache of their own: the machine's are never used. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { installDebian } from "./installers/debian.ts";
import { installGo } from "./installers/go.ts";
import { installJava } from "./installers/java.ts";
import { installNode } from "./installers/node.ts";
import { installPython } from "./installers/python.ts";

export interface Tools {
  /** The folder of `python`, `aws` and `moto_server`. */
  readonly bin: string;
  /** Where the JavaScript SDKs are. */
  readonly nodeModules: string;
  readonly goProgram: string;
  readonly javaClasspath: string;
  /** Versions of what Debian has. */
  readonly rclone: string;
  readonly s3cmd: string;
  readonly curl: string;
}

/** What is installed into a folder of its own. */
export interface Installer {
  readonly name: string;
  /** Files that say what is installed. */
  readonly pins: readonly string[];
  /** What the result depends on besides. @throws Error that says what is missing and what to do. */
  readonly dependsOn: () => Promise<string>;
  readonly install: (folder: string) => Promise<void>;
}

const INSTALLERS: readonly Installer[] = [installPython, installNode, installGo, installJava];

/**
 * Installs what is not there yet.
 *
 * @throws Error that says what is missing and what to do.
 */
export async function install(): Promise<Tools> {
  const cache = cacheFolder();
  const debian = await installDebian();
  const results = await Promise.allSettled(INSTALLERS.map((installer) => once(cache, installer)));
  const failures = results.filter((result) => result.status === "rejected");
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => String(reason)).join("\n"));
  const java = path.join(cache, installJava.name);
  return {
    bin: path.join(cache, installPython.name, "bin"),
    nodeModules: path.join(cache, installNode.name, "node_modules"),
    goProgram: path.join(cache, installGo.name, "orders"),
    javaClasspath: [path.join(java, "classes"), path.join(java, "lib", "*")].join(path.delimiter),
    ...debian,
  };
}

/**
 * A stamp written last says what is there, so that a run which was interrupted, other pins or
 * another tool start anew.
 */
async function once(cache: string, { name, pins, dependsOn, install: make }: Installer) {
  const folder = path.join(cache, name);
  const stampFile = path.join(folder, "stamp");
  const hash = createHash("sha256").update(await dependsOn());
  for (const file of pins) hash.update(await readFile(file));
  const stamp = hash.digest("hex");
  if ((await readFile(stampFile, "utf8").catch(() => "")) === stamp) return;

  console.log(`installing the clients of ${name} into ${folder}, once`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await make(folder);
  await writeFile(stampFile, stamp);
}

function cacheFolder(): string {
  const { CROSSROLE_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  if (CROSSROLE_TEST_CACHE) return path.resolve(CROSSROLE_TEST_CACHE, "clients");
  return path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "crossrole", "clients");
}
