/** @module What the suite needs of the machine: installed where it is missing, and where it cannot be, said. */
import { access, constants, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder, commandPath, run } from "../support/tool.ts";

/** Debian's package for each command that is missing is installed. */
export async function needCommands(packages: Readonly<Record<string, string>>): Promise<void> {
  const commands = Object.keys(packages);
  const isThere = await Promise.all(commands.map((command) => isOnPath(command)));
  const missing = new Set(commands.filter((_, at) => !isThere[at]).map((name) => packages[name]));
  if (missing.size === 0) return;
  const names = [...missing].map(String);
  const advice = `install ${names.join(" ")} (as root on Debian it is done here)`;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run(["apt-get", "update", "-qq"], advice, { env });
  await run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...names], advice, {
    env,
  });
}

async function isOnPath(command: string): Promise<boolean> {
  const found = await Promise.allSettled(
    commandPath().map((folder) => access(path.join(folder, command), constants.X_OK)),
  );
  return found.some(({ status }) => status === "fulfilled");
}

/**
 * A folder of the cache, made by `make` if it is not there: under another name first, so that what was
 * cut short is not taken for the whole.
 */
export async function cached(
  name: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = path.join(cacheFolder("ship"), name);
  if (
    await access(folder).then(
      () => true,
      () => false,
    )
  )
    return folder;
  console.log(`making ${folder}, once`);
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await make(unfinished);
  await rename(unfinished, folder);
  return folder;
}
