/** @module Installs the clients and moto, pinned, into a cache of their own: the machine's are never used. */
import path from "node:path";
import { installDebian } from "./installers/debian.ts";
import { installGo } from "./installers/go.ts";
import { installJava } from "./installers/java.ts";
import { installNode } from "./installers/node.ts";
import { installPython } from "./installers/python.ts";
import { installAll } from "../support/installer.ts";
import type { Installer } from "../support/installer.ts";
import { cacheFolder } from "../support/tool.ts";

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

const INSTALLERS: readonly Installer[] = [installPython, installNode, installGo, installJava];

/**
 * Installs what is not there yet.
 *
 * @throws Error that says what is missing and what to do.
 */
export async function install(): Promise<Tools> {
  const cache = cacheFolder("clients");
  const debian = await installDebian();
  await installAll(cache, INSTALLERS);
  const java = path.join(cache, installJava.name);
  return {
    bin: path.join(cache, installPython.name, "bin"),
    nodeModules: path.join(cache, installNode.name, "node_modules"),
    goProgram: path.join(cache, installGo.name, "orders"),
    javaClasspath: [path.join(java, "classes"), path.join(java, "lib", "*")].join(path.delimiter),
    ...debian,
  };
}
