/** @module Installs a control plane and helm, pinned, into a cache of their own: the machine's are never used. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { installDebian, installOldEtcd } from "./installers/debian.ts";
import { installEtcd, installHelm, installKubeApiserver } from "./installers/go.ts";
import { installPython } from "./installers/python.ts";

/** The programs of a control plane, and of a pod. */
export interface ClusterTools {
  readonly kubeApiserver: string;
  /** An etcd with which the API server has WatchList. */
  readonly newEtcd: string;
  /** An etcd with which the API server has no WatchList. */
  readonly oldEtcd: string;
  readonly helm: string;
  /** A Python that has boto3. */
  readonly python: string;
}

/** What is installed into a folder of its own, most often as a program of the same name. */
export interface Installer {
  readonly name: string;
  /** Files that say what is installed. */
  readonly pins: readonly string[];
  /** What the result depends on besides. @throws Error that says what is missing and what to do. */
  readonly dependsOn: () => Promise<string>;
  readonly install: (folder: string) => Promise<void>;
}

const INSTALLERS = [
  installKubeApiserver,
  installEtcd,
  installOldEtcd,
  installHelm,
  installPython,
] as const;

/**
 * Installs what is not there yet.
 *
 * @throws Error that says what is missing and what to do.
 */
export async function install(): Promise<ClusterTools> {
  const cache = cacheFolder();
  await installDebian();
  // All at once: a build of kube-apiserver takes minutes, and the others wait for a network.
  const results = await Promise.allSettled(INSTALLERS.map((installer) => once(cache, installer)));
  const failures = results.filter((result) => result.status === "rejected");
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => String(reason)).join("\n"));
  const programOf = ({ name }: Installer) => path.join(cache, name, name);
  return {
    kubeApiserver: programOf(installKubeApiserver),
    newEtcd: programOf(installEtcd),
    oldEtcd: programOf(installOldEtcd),
    helm: programOf(installHelm),
    python: path.join(cache, installPython.name, "bin", "python"),
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

  console.log(`installing ${name} into ${folder}, once`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await make(folder);
  await writeFile(stampFile, stamp);
}

function cacheFolder(): string {
  const { CROSSROLE_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  if (CROSSROLE_TEST_CACHE) return path.resolve(CROSSROLE_TEST_CACHE, "cluster");
  return path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "crossrole", "cluster");
}
