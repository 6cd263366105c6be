/** @module Control groups: which pods are on the node's own network, and which process is the daemon. */
import { readFile, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { CrossroleError } from "../errors.ts";
import type { Cgroup, HostNetworkPods } from "./types.ts";

/** Where nft looks for control groups, whatever is mounted where. */
const NFT_ROOT = "/sys/fs/cgroup";

/** The first cgroup namespace of a kernel: `PROC_CGROUP_INIT_INO`. */
const NODE_NAMESPACE = "cgroup:[4026531835]";

/** What systemd and container runtimes name groups with; nothing that would end a string of nft. */
const SEGMENT = /^(?!\.{1,2}$)[\w@:.\\-]+$/;

/** A pod's group, in the spelling of the kubelet's systemd and cgroupfs drivers. */
const POD = /pod[\da-f]{8}[-_][\da-f]{4}[-_]/;

/** What of the machine is read. */
export interface Machine {
  /** `/proc/self/mountinfo` */
  readonly mounts: string;
  /** `/proc/self/cgroup` */
  readonly own: string;
  /** What `/proc/self/ns/cgroup` points to. */
  readonly namespace: string;
  readonly exists: (path: string) => Promise<boolean>;
}

export interface HostNetworkOptions {
  /** A group below the root of the unified hierarchy, like `kubepods.slice`. */
  readonly pods: string;
  /** By default the group of the own pod, else of this process. */
  readonly excluded?: readonly string[] | undefined;
}

/**
 * The pods of the node, and those of them that are left alone.
 *
 * @throws {@link CrossroleError} `ERR_USAGE` for a path that is none, `ERR_COMMAND_FAILED` when this
 * machine has no such group, or does not show it.
 */
export async function hostNetworkPods(
  { pods, excluded }: HostNetworkOptions,
  machine: Machine,
): Promise<HostNetworkPods> {
  const podsPath = segmentsOf("--pods-cgroup", pods);
  const named = excluded?.map((name) => segmentsOf("--exclude-cgroup", name));
  const root = rootOf(machine);
  const others = named ?? ownGroup(machine, podsPath);
  return {
    pods: await groupAt("--pods-cgroup", root, podsPath, machine),
    excluded: await Promise.all(
      others.map((segments) => groupAt("--exclude-cgroup", root, segments, machine)),
    ),
  };
}

/** This machine. */
export async function thisMachine(): Promise<Machine> {
  const [mounts, own, namespace] = await Promise.all([
    readFile("/proc/self/mountinfo", "utf8").catch(() => ""),
    readFile("/proc/self/cgroup", "utf8").catch(() => ""),
    readlink("/proc/self/ns/cgroup").catch(() => ""),
  ]);
  return { mounts, own, namespace, exists: isThere };
}

async function isThere(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}

/** The root of the unified hierarchy, from where nft looks. */
function rootOf({ mounts, namespace }: Machine): string[] {
  // Before Linux 6.11 the kernel counts levels from the node's root, and since then from the one of
  // the namespace: only in the node's own are they the same, and a rule that never matches is a leak.
  if (namespace !== NODE_NAMESPACE) {
    throw failed(
      "--host-network-pods needs the node's own cgroup namespace: run it on the node itself, or in a container with privileged: true",
    );
  }
  for (const line of mounts.split("\n")) {
    const fields = line.split(" ");
    if (fields[fields.indexOf("-") + 1] !== "cgroup2" || fields[3] !== "/") continue;
    const below = path.posix.relative(NFT_ROOT, fields[4] ?? "");
    if (!below.startsWith("..")) return below === "" ? [] : below.split("/");
  }
  throw failed(
    `--host-network-pods needs the unified hierarchy (cgroup v2) mounted at or below ${NFT_ROOT}: this machine has none there`,
  );
}

/**
 * Below the group of all pods only: elsewhere the daemon is not taken for a pod. The pod's and not
 * the container's, for the daemon may be in another container than this process.
 */
function ownGroup({ own }: Machine, pods: readonly string[]): string[][] {
  const line = own.split("\n").find((text) => text.startsWith("0::/"));
  const segments = line?.slice("0::/".length).split("/") ?? [];
  if (!pods.every((segment, index) => segments[index] === segment)) return [];
  const pod = segments.findIndex((segment) => POD.test(segment));
  return [pod === -1 ? segments : segments.slice(0, pod + 1)];
}

async function groupAt(
  option: string,
  root: readonly string[],
  segments: readonly string[],
  { exists }: Machine,
): Promise<Cgroup> {
  const below = [...root, ...segments].join("/");
  // The own group's name, and where it is mounted, come from the machine.
  if (!below.split("/").every((segment) => SEGMENT.test(segment))) {
    throw failed(`the cgroup ${JSON.stringify(below)} has a name that cannot be written in a rule`);
  }
  if (await exists(path.posix.join(NFT_ROOT, below))) {
    return { path: below, level: segments.length };
  }
  throw failed(
    `there is no cgroup ${segments.join("/")} below ${path.posix.join(NFT_ROOT, ...root)}: name it with ${option} (kubepods with the kubelet's cgroupfs driver)`,
  );
}

function segmentsOf(option: string, text: string): string[] {
  const segments = text.replace(/^\/+/, "").replace(/\/+$/, "").split("/");
  if (segments.every((segment) => SEGMENT.test(segment))) return segments;
  const rule = `${option} must be the path of a cgroup below the root, like kubepods.slice`;
  throw new CrossroleError("ERR_USAGE", `${rule}; it is ${JSON.stringify(text)}`);
}

function failed(message: string): CrossroleError {
  return new CrossroleError("ERR_COMMAND_FAILED", message);
}
