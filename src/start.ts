#!/usr/bin/env node
/** @module What the package and the image start: the program, with V8's compile cache in front of it. */
import { existsSync, lstatSync, mkdirSync, realpathSync } from "node:fs";
import { enableCompileCache } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const cache = cacheFolder();
if (cache !== undefined) enableCompileCache(cache);
await import("./main.ts");

/**
 * A folder that nobody but this user and root can write to: what V8 finds in it, it runs. Node's own
 * choice is below the machine's folder for temporary files, where any user may be first.
 */
function cacheFolder(): string | undefined {
  const { CACHE_DIRECTORY, XDG_CACHE_HOME, HOME } = process.env;
  // An image is built with a cache in it.
  const built = fileURLToPath(new URL("compile-cache", import.meta.url));
  if (existsSync(built)) return built;
  // systemd makes the first, for this service alone.
  const parent = CACHE_DIRECTORY || XDG_CACHE_HOME || (HOME && path.join(HOME, ".cache"));
  if (!parent || !path.isAbsolute(parent)) return undefined;
  const folder = path.join(parent, "crossrole");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return [realpathSync(parent), folder].every(isOwn) ? folder : undefined;
  } catch {
    // A read-only home, or none: it starts without one.
    return undefined;
  }
}

function isOwn(folder: string): boolean {
  const { uid, mode } = lstatSync(folder);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}
