/** @module Once for the whole run: there is a Chromium, or the run fails and says why. */
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    readonly chromium: string;
  }
}

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
/** Of a package mirror that is slow today: 10 minutes. */
const INSTALL_TIMEOUT_MS = 600_000;

export async function setup({ provide }: TestProject): Promise<void> {
  const found = (await findChromium()) ?? (await installChromium());
  provide("chromium", found);
}

async function findChromium(): Promise<string | undefined> {
  for (const directory of (process.env["PATH"] ?? "").split(path.delimiter)) {
    for (const name of NAMES) {
      const file = path.join(directory, name);
      const isThere = await access(file, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return file;
    }
  }
  return undefined;
}

async function installChromium(): Promise<string> {
  const problem = `no ${NAMES.join(", ")} on PATH, and`;
  if (process.getuid?.() !== 0) {
    throw new Error(`${problem} only root can install it: apt-get install chromium`);
  }
  await apt("update");
  await apt("install", "--yes", "--no-install-recommends", "chromium");
  const installed = await findChromium();
  if (installed === undefined) throw new Error(`${problem} apt-get has installed none`);
  return installed;
}

async function apt(...args: readonly string[]): Promise<void> {
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await promisify(execFile)("apt-get", ["--quiet", ...args], {
      env,
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    throw new Error(`chromium is missing, and apt-get ${args.join(" ")} failed`, { cause: error });
  }
}
