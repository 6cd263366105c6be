/** @module Installs what a suite needs, pinned, into a cache of its own: what the machine has is never used. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

/** What is installed into a folder of its own. */
export interface Installer {
  readonly name: string;
  /** Files that say what is installed. */
  readonly pins: readonly string[];
  /** What the result depends on besides. @throws Error that says what is missing and what to do. */
  readonly dependsOn: () => Promise<string>;
  readonly install: (folder: string) => Promise<void>;
}

/**
 * Installs what is not in `cache` yet, all at once: builds take minutes, and the others wait for a network.
 *
 * @throws Error that says what is missing and what to do.
 */
export async function installAll(cache: string, installers: readonly Installer[]): Promise<void> {
  const results = await Promise.allSettled(installers.map((installer) => once(cache, installer)));
  const failures = results.filter((result) => result.status === "rejected");
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => String(reason)).join("\n"));
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
