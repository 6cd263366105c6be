/** @module Installs a control plane and helm, pinned, into a cache of their own: the machine's are never used. */
import path from "node:path";
import { installDebian, installOldEtcd } from "./installers/debian.ts";
import { installEtcd, installHelm, installKubeApiserver } from "./installers/go.ts";
import { installPython } from "./installers/python.ts";
import { installAll } from "../support/installer.ts";
import type { Installer } from "../support/installer.ts";
import { cacheFolder } from "../support/tool.ts";

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
  const cache = cacheFolder("cluster");
  await installDebian();
  await installAll(cache, INSTALLERS);
  const programOf = ({ name }: Installer) => path.join(cache, name, name);
  return {
    kubeApiserver: programOf(installKubeApiserver),
    newEtcd: programOf(installEtcd),
    oldEtcd: programOf(installOldEtcd),
    helm: programOf(installHelm),
    python: path.join(cache, installPython.name, "bin", "python"),
  };
}
