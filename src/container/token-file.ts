/** @module The file in which clients find an authorization token. */
import { constants } from "node:fs";
import { access, lstat, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { CrossroleError, messageOf } from "../errors.ts";

const MAX_LENGTH = 4_096;
const TOKEN = /^[\x21-\x7e]{16,4096}$/;

/** The mode bits by which others than its owner could have written a file. */
const OTHERS_WRITE = 0o022;

/**
 * The token that a crossrole of this user has written to `path`, one before this one or beside it. What
 * others could have written was never a token: in a directory like /tmp it may be anybody's.
 *
 * @param uid whose the file must be; undefined where there are no users
 */
export async function readTokenFile(
  path: string,
  uid: number | undefined,
): Promise<string | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    await using file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile() || found.size > MAX_LENGTH || (found.mode & OTHERS_WRITE) !== 0)
      return undefined;
    if (uid !== undefined && found.uid !== uid) return undefined;
    const token = await file.readFile("utf8");
    return TOKEN.test(token) ? token : undefined;
  } catch {
    // There is none yet, or what is there is no file of a token.
    return undefined;
  }
}

/** What is another one when the file was replaced; undefined when there is none. */
export async function stampOf(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined);
  return found && `${found.ino} ${found.ctimeMs}`;
}

/**
 * By rename, so that a reader finds a whole token; without a newline, which no SDK forgives.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID`
 */
export async function writeTokenFile(path: string, token: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await rm(temporary, { force: true });
    await writeFile(temporary, token, { mode: 0o600, flag: "wx" });
    await rename(temporary, path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/**
 * Finds out what can be known of that without doing it.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID`
 */
export async function assertTokenFile(path: string): Promise<void> {
  try {
    // With the slash it must be a directory.
    await access(`${dirname(path)}/`, constants.W_OK);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory() === true) throw new TypeError("it is a directory");
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, cause: unknown): CrossroleError {
  const message = `the authorization token cannot be written to ${path}: ${messageOf(cause)}`;
  return new CrossroleError("ERR_CONFIG_INVALID", message, { cause });
}
