/** @module A container without a container engine: namespaces, a read-only root, and a process that is the first. */
import { readFileSync } from "node:fs";
import { Program } from "../support/program.ts";
import type { Ended, StartOptions } from "../support/program.ts";
import type { Image } from "./image.ts";

export interface ContainerOptions extends StartOptions {
  /** The configuration, a file that is mounted where crossrole looks for it. Default: none. */
  readonly config?: string;
  /** Default: the image's own. */
  readonly user?: "65532:65532" | "0:0";
  /** Whether it is in a network namespace of its own, of which only loopback is up. Default: the machine's. */
  readonly ownNetwork?: boolean;
  /** A container whose network it shares. */
  readonly networkOf?: Program;
}

/**
 * `$1` is the root, `$2` the user. The root is mounted read-only, as `--read-only` and `readOnlyRootFilesystem`
 * do, with what every engine mounts into it.
 */
const SCRIPT = `
  set -e
  root=$1 user=$2
  shift 2
  mount --bind "$root" "$root"
  mount -o remount,bind,ro,nosuid,nodev "$root"
  if [ -n "$CONFIG" ]; then
    mount -t tmpfs tmpfs "$root/etc/crossrole"
    cp "$CONFIG" "$root/etc/crossrole/crossrole.yaml"
  fi
  if [ -n "$OWN_NETWORK" ]; then ip link set lo up; fi
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount -t tmpfs -o mode=0700,uid=65532,gid=65532,size=1m tmpfs "$root/run/crossrole"
  exec setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"
`;

/** Starts `command` as the first process of a container of `image`. */
export function startContainer(
  { root, config }: Image,
  command: readonly string[],
  options: ContainerOptions = {},
): Program {
  const { user = config.User, ownNetwork = false, env = {}, config: file = "" } = options;
  const namespaces = [
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    ...(ownNetwork ? ["--net"] : []),
  ];
  const inside = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const joined = options.networkOf === undefined ? [] : inNetworkOf(options.networkOf);
  const [first, ...others] = [...joined, "unshare", ...namespaces, "sh", "-c", SCRIPT, "container"];
  return new Program(["/usr/bin/env", "-i", ...config.Env, ...inside, ...command], {
    ...options,
    command: [first ?? "", ...others, root, user],
    env: {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      OWN_NETWORK: ownNetwork ? "1" : "",
      CONFIG: file,
    },
  });
}

export async function runContainer(
  image: Image,
  command: readonly string[],
  options: ContainerOptions = {},
): Promise<Ended> {
  await using container = startContainer(image, command, options);
  return await container.ended;
}

/** What runs a command in the network of a container. */
export function inNetworkOf(container: Program): string[] {
  return ["nsenter", "--target", String(firstOf(container)), "--net"];
}

/** Sends a signal to the first process of the container, from outside. */
export function signalFirst(container: Program, name: NodeJS.Signals): void {
  process.kill(firstOf(container), name);
}

/** The pid of its first process, outside of it. */
function firstOf({ pid }: Program): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
}
