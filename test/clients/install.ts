/** @module Installs the clients and moto, pinned, into a cache of their own: the machine's are never used. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const PINS = path.join(import.meta.dirname, "pins");
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** What `pins/requirements.txt` was made for: its packages have no release for older ones. */
const OLDEST_PYTHON = 11;

export interface Tools {
  /** The folder of `python`, `aws` and `moto_server`. */
  readonly bin: string;
  /** Where the JavaScript SDKs are. */
  readonly nodeModules: string;
}

/**
 * Installs what is not there yet. A stamp written last says what is, so that a run which was
 * interrupted, other pins or another Python start anew.
 *
 * @throws Error that says what is missing and what to do.
 */
export async function install(): Promise<Tools> {
  const folder = cacheFolder();
  const tools = {
    bin: path.join(folder, "python", "bin"),
    nodeModules: path.join(folder, "node_modules"),
  };
  const stampFile = path.join(folder, "stamp");
  const stamp = await stampOf(await pythonVersion());
  if ((await readFile(stampFile, "utf8").catch(() => "")) === stamp) return tools;

  console.log(`installing the clients into ${folder}, once`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await installPython(folder, tools.bin);
  await installNode(folder);
  await writeFile(stampFile, stamp);
  return tools;
}

function cacheFolder(): string {
  const { CROSSROLE_TEST_CACHE, XDG_CACHE_HOME } = process.env;
  if (CROSSROLE_TEST_CACHE) return path.resolve(CROSSROLE_TEST_CACHE, "clients");
  return path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "crossrole", "clients");
}

async function stampOf(python: string): Promise<string> {
  const hash = createHash("sha256").update(python);
  for (const pins of ["requirements.txt", "package-lock.json"])
    hash.update(await readFile(path.join(PINS, pins)));
  return hash.digest("hex");
}

async function pythonVersion(): Promise<string> {
  const advice = `install Python 3.${OLDEST_PYTHON} or newer as python3`;
  const version = await run("python3", ["--version"], advice);
  const minor = Number(/^Python 3\.(\d+)/.exec(version)?.[1]);
  if (minor >= OLDEST_PYTHON) return version;
  throw new Error(`python3 is ${version.trim()}: ${advice}`);
}

async function installPython(folder: string, bin: string): Promise<void> {
  const venv = ["-m", "venv", "--clear", path.join(folder, "python")];
  await run("python3", venv, "install Python's venv and pip (on Debian: python3-venv)");
  const requirements = path.join(PINS, "requirements.txt");
  const flags = ["--quiet", "--no-input", "--disable-pip-version-check"];
  const command = ["-m", "pip", "install", ...flags, "--requirement", requirements];
  await run(path.join(bin, "python"), command, "see that pip reaches a package index");
}

async function installNode(folder: string): Promise<void> {
  for (const pins of ["package.json", "package-lock.json"])
    await copyFile(path.join(PINS, pins), path.join(folder, pins));
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", ["ci", "--prefix", folder, ...flags], "see that npm reaches a registry", folder);
}

async function run(command: string, args: string[], advice: string, cwd?: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      timeout: INSTALL_TIMEOUT_MS,
    });
    return stdout;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`the clients cannot be installed: ${advice}\n${said}`, { cause: error });
  }
}
