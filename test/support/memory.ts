/** @module Directories on tmpfs: a state directory is refused on a disk. */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { join } from "node:path";

/** Linux mounts it everywhere, in containers too. */
const MEMORY = "/dev/shm";

export interface MemoryDirectory extends AsyncDisposable {
  readonly path: string;
}

/** An empty directory in memory, which is gone with its disposal. */
export async function memoryDirectory(): Promise<MemoryDirectory> {
  const path = await realpath(await mkdtemp(join(MEMORY, "crossrole-")));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}
