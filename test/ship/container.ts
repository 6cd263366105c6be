/** @module A container without a container engine: namespaces, a read-only root, and a process that is the first. */
import { readFile } from "node:fs/promises";
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
  return new Program(["/usr/bin/env", "-i", ...config.Env, ...inside, ...command], {
    ...options,
    command: ["unshare", ...namespaces, "sh", "-c", SCRIPT, "container", root, user],
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

/** Sends a signal to the first process of the container, from outside. */
export async function signalFirst(container: Program, name: NodeJS.Signals): Promise<void> {
  const children = await readFile(`/proc/${container.pid}/task/${container.pid}/children`, "utf8");
  process.kill(Number(children.trim()), name);
}
