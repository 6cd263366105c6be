/** @module What the suite needs of the machine: installed where it is missing, and where it cannot be, said. */
import { execFile } from "node:child_process";
import { access, constants, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const TIMEOUT_MS = 15 * 60_000;
const MAX_BYTES = 64 * 1024 * 1024;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** @returns what it wrote on stdout. @throws Error with `advice` and what it said. */
export async function run(
  [command = "", ...args]: readonly string[],
  advice = "see why",
  { cwd, env = {} }: RunOptions = {},
): Promise<string> {
  const PATH = [process.env["PATH"], "/usr/sbin", "/sbin"].join(path.delimiter);
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: { ...process.env, PATH, ...env },
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_BYTES,
    });
    return stdout;
  } catch (error) {
    const said = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
    throw new Error(
      `${command} ${args[0]} failed: ${advice}\n${said.slice(-4_000)}${String(error)}`,
      {
        cause: error,
      },
    );
  }
}

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
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin", "/sbin"];
  const found = await Promise.allSettled(
    folders.map((folder) => access(path.join(folder, command), constants.X_OK)),
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
  const { CROSSROLE_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = CROSSROLE_TEST_CACHE
    ? path.resolve(CROSSROLE_TEST_CACHE)
    : path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "crossrole");
  const folder = path.join(cache, "ship", name);
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
