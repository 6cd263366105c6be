/** @module The keys of metadata tokens, kept where a restart finds them and nobody else does. */
import { createSecretKey } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CrossroleError, messageOf } from "../errors.ts";
import { newTokenKeys, rotate } from "./metadata-token.ts";
import type { TokenKeys } from "./metadata-token.ts";

const FILE = "metadata-token-keys.json";
const KEY = /^[A-Za-z0-9_-]{43}$/;

/** Today's keys; asks for new ones when it is time. */
export type CurrentKeys = () => TokenKeys;

/**
 * The keys in `directory`, or new ones; new ones that end with the process without a directory.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` when the directory cannot be used.
 */
export async function openTokenKeys(
  directory: string | undefined,
  now: () => number,
  onError: (error: unknown) => void,
): Promise<CurrentKeys> {
  let keys = directory === undefined ? newTokenKeys(now()) : await restore(directory, now());
  return () => {
    const current = rotate(keys, now());
    if (current === keys) return keys;
    keys = current;
    // Tokens are issued meanwhile; a restart that misses the new key costs a 401, and clients heal.
    if (directory !== undefined) writeTokenKeys(directory, keys).catch(onError);
    return keys;
  };
}

async function restore(directory: string, nowMs: number): Promise<TokenKeys> {
  await makePrivate(directory);
  const text = await readFile(join(directory, FILE), "utf8").catch(() => "");
  const keys = rotate(parseKeys(text) ?? newTokenKeys(nowMs), nowMs);
  await writeTokenKeys(directory, keys).catch((error: unknown) => {
    throw unusable(directory, error);
  });
  return keys;
}

/** Writes `keys` so that a reader finds the old ones or the new ones, whole. */
async function writeTokenKeys(directory: string, keys: TokenKeys): Promise<void> {
  const text = JSON.stringify({
    current: keys.current.export().toString("base64url"),
    since: keys.since,
    previous: keys.previous?.export().toString("base64url"),
  });
  const path = join(directory, FILE);
  const temporary = `${path}.new`;
  // A file that lay there with other rights would keep them.
  await rm(temporary, { force: true });
  await writeFile(temporary, text, { mode: 0o600, flag: "wx" });
  await rename(temporary, path);
}

async function makePrivate(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
  } catch (error) {
    throw unusable(directory, error);
  }
}

function unusable(directory: string, error: unknown): CrossroleError {
  const message = `state.directory ${directory} cannot be used: ${messageOf(error)}`;
  return new CrossroleError("ERR_CONFIG_INVALID", message, { cause: error });
}

function parseKeys(text: string): TokenKeys | undefined {
  const stored = parseObject(text);
  const current = keyOf(stored["current"]);
  const since = stored["since"];
  if (current === undefined || typeof since !== "number") return undefined;
  return { current, since, previous: keyOf(stored["previous"]) };
}

function keyOf(value: unknown): TokenKeys["previous"] {
  if (typeof value !== "string" || !KEY.test(value)) return undefined;
  return createSecretKey(Buffer.from(value, "base64url"));
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    // No file yet, or half a file of another program: new keys are made, tokens are asked for anew.
    return {};
  }
}
