/** @module A small machine: Debian with systemd as its first process, in namespaces of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { eventually } from "../support/program.ts";
import { BUNDLE, ROOT } from "./bundled.ts";
import { run } from "../support/tool.ts";

const UNITS = path.join(ROOT, "deploy", "systemd");

/**
 * `$1` is a folder to mount at, `$2` the name of a cgroup. systemd takes the one that it is in for the
 * root of all: it is given one that nobody else is in.
 */
const ENTER = `
  set -e
  at=$1 name=$2
  shift 2
  mount -t cgroup2 cgroup2 "$at"
  mkdir "$at/$name"
  echo $$ > "$at/$name/cgroup.procs"
  exec "$@"
`;

/** Removes that cgroup, and all below it, once nobody is in it. */
const LEAVE = `
  mount -t cgroup2 cgroup2 "$1"
  find "$1/$2" -depth -type d -exec rmdir {} +
`;

/** `$1` is the root. What could change this machine is mounted read-only, as container engines do. */
const BOOT = `
  set -e
  root=$1
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/tmp"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t tmpfs tmpfs "$root/dev/shm"
  mount -t devpts devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ip link set lo up
  cd "$root"
  mkdir -p before
  mount --make-rprivate /
  pivot_root . before
  umount -l /before
  container=unshare exec /lib/systemd/systemd
`;

export class Booted implements AsyncDisposable {
  readonly #root: string;
  readonly #shell: ChildProcess;
  #first = "";

  get #cgroup(): string[] {
    return [path.join(this.#root, "mnt"), path.basename(this.#root)];
  }

  constructor(root: string) {
    this.#root = root;
    const namespaces = ["--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc"];
    const boot = [
      "unshare",
      ...namespaces,
      "--fork",
      "--kill-child",
      "sh",
      "-c",
      BOOT,
      "boot",
      root,
    ];
    this.#shell = spawn(
      "unshare",
      ["--mount", "sh", "-c", ENTER, "enter", ...this.#cgroup, ...boot],
      {
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
  }

  /** Waits until systemd has started whatever it was to start. */
  async booted(): Promise<void> {
    await eventually(async () => {
      const { pid } = this.#shell;
      this.#first = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim();
      await this.run(["systemctl", "is-system-running", "--wait"]);
    }, 60_000);
  }

  /** Runs a command in it, as root. @throws Error with what it said. */
  async run(command: readonly string[]): Promise<string> {
    const enter = [
      "--target",
      this.#first,
      "--mount",
      "--pid",
      "--net",
      "--uts",
      "--ipc",
      "--root",
    ];
    return await run(["nsenter", ...enter, "--wdns=/", ...command]);
  }

  /** Runs a command of this machine in its network, and leaves it running. */
  spawnBeside(command: readonly string[]): ChildProcess {
    const enter = ["--target", this.#first, "--net"];
    return spawn("nsenter", [...enter, ...command], { stdio: ["ignore", "pipe", "inherit"] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#shell.exitCode === null && this.#shell.signalCode === null) {
      const ended = once(this.#shell, "exit");
      this.#shell.kill("SIGKILL");
      await ended;
    }
    await eventually(() =>
      run(["unshare", "--mount", "sh", "-c", LEAVE, "leave", ...this.#cgroup]),
    );
    await rm(this.#root, { recursive: true, force: true });
  }
}

/** A copy of `debian` with the units of deploy/systemd and the bundle, as deploy/systemd/README.md installs them. */
export async function treeWithUnits(debian: string): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), "crossrole-systemd-"));
  await run(["cp", "--archive", `${debian}/.`, root]);
  await cp(BUNDLE, path.join(root, "opt/crossrole"), { recursive: true });
  await cp(path.join(ROOT, "node_modules/node/bin/node"), path.join(root, "usr/local/bin/node"));
  await symlink("/opt/crossrole/crossrole.js", path.join(root, "usr/local/bin/crossrole"));
  await mkdir(path.join(root, "etc/crossrole"));
  for (const [name, to] of [
    ["crossrole.socket", "etc/systemd/system/crossrole.socket"],
    ["crossrole.service", "etc/systemd/system/crossrole.service"],
    ["crossrole.sysusers.conf", "usr/lib/sysusers.d/crossrole.conf"],
    ["crossrole.yaml", "etc/crossrole/crossrole.yaml"],
  ] as const) {
    await cp(path.join(UNITS, name), path.join(root, to));
  }
  await writeFile(path.join(root, "etc/machine-id"), "");
  const inside = (...command: string[]) => run(["chroot", root, ...command]);
  await inside("systemd-sysusers");
  await inside("useradd", "orders");
  await inside("useradd", "other");
  await inside("systemctl", "--quiet", "enable", "crossrole.service");
  await inside("systemctl", "--quiet", "set-default", "multi-user.target");
  return root;
}
