/** @module A control group of a test's own, in which processes are pods of the node. */
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { until } from "../clients/until.ts";

export interface TestCgroup extends AsyncDisposable {
  /** Below the root of the unified hierarchy: what `--pods-cgroup` takes. */
  readonly name: string;
  /** Makes the group `name` below it. */
  make(name: string): Promise<void>;
  /** Removes the group `name` below it and makes another: the kernel's number of it changes. */
  remake(name: string): Promise<void>;
  /** Puts a process into the group `name` below it. */
  add(pid: number, name: string): Promise<void>;
  /** What a command is put behind to run in the group `name` below it. */
  behind(name: string): readonly string[];
}

let made = 0;

/**
 * A group that no other run has. Once its processes have ended it is removed.
 *
 * @throws Error that says what is missing, when this machine has no unified hierarchy to write to.
 */
export async function testCgroup(): Promise<TestCgroup> {
  const root = await unifiedRoot();
  const name = `crossrole-test-${process.pid}-${(made += 1)}`;
  const groups: string[] = [];
  const make = async (below: string) => {
    const segments = below.split("/");
    for (let count = 0; count <= segments.length; count += 1) {
      const folder = path.join(root, name, ...segments.slice(0, count));
      if (groups.includes(folder)) continue;
      await mkdir(folder).catch((error: unknown) => {
        throw new Error(`no cgroup can be made in ${root}: this takes root`, { cause: error });
      });
      groups.push(folder);
    }
  };
  const processes = (below: string) => path.join(root, name, below, "cgroup.procs");
  return {
    name,
    make,
    remake: async (below) => {
      await rmdir(path.join(root, name, below));
      await mkdir(path.join(root, name, below));
    },
    add: (pid, below) => writeFile(processes(below), String(pid)),
    behind: (below) => ["sh", "-c", 'echo $$ > "$0" && exec "$@"', processes(below)],
    [Symbol.asyncDispose]: async () => {
      for (const folder of groups.toReversed()) {
        // The kernel takes a moment to bury a process.
        await until(`${folder} is empty`, () =>
          rmdir(folder).then(
            () => true,
            (error: NodeJS.ErrnoException) => error.code !== "EBUSY",
          ),
        );
      }
    },
  };
}

/** Where the unified hierarchy is mounted, below /sys/fs/cgroup or there. */
async function unifiedRoot(): Promise<string> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  const found = / \/ (\/sys\/fs\/cgroup\S*) .* - cgroup2 /.exec(mounts)?.[1];
  if (found !== undefined) return found;
  throw new Error(
    "the unified hierarchy (cgroup v2) is not mounted at /sys/fs/cgroup: mount -t cgroup2 none /sys/fs/cgroup",
  );
}
