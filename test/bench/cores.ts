/** @module Which processor the servers have, and which the load: where one may choose, not the same. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Cores {
  readonly server: number;
  readonly load: number;
}

/** Undefined where there are not two, or nobody to ask for one: the kernel places them, then. */
export function chooseCores(): Cores | undefined {
  if (spawnSync("taskset", ["--version"]).status !== 0) return undefined;
  const [load, server] = parseCores(allowedCores());
  return load === undefined || server === undefined ? undefined : { server, load };
}

function allowedCores(): string {
  const status = readFileSync("/proc/self/status", "utf8");
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "";
}

/** `0-2,5` as the kernel writes it. */
export function parseCores(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = "", last = first] = range.split("-");
    if (first === "") return [];
    const length = Number(last) - Number(first) + 1;
    return Array.from({ length }, (_, at) => Number(first) + at);
  });
}

/** What is put in front of a command. */
export function pinned(core: number | undefined): readonly string[] {
  return core === undefined ? [] : ["taskset", "-c", String(core)];
}

/** The process that runs, with all its threads. */
export function pin(pid: number | undefined, core: number | undefined): void {
  if (pid === undefined || core === undefined) return;
  execFileSync("taskset", ["-a", "-c", "-p", String(core), String(pid)], { stdio: "ignore" });
}
