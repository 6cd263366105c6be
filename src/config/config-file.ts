/** @module Reads the configuration file: never more than fits, and never what might have no end. */
import { constants, open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { CrossroleError, messageOf } from "../errors.ts";

/** A ConfigMap holds 1 MiB; reading four times that takes seconds already: 4 MiB. */
const MAX_BYTES = 4 * 1_024 * 1_024;

/** Opening a pipe that nobody writes to must not wait. */
const READ_AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK;

/** What a configuration said when the process started. */
export interface FirstText {
  readonly text: string;
  /** A pipe is read once, and what it said is gone. */
  readonly isPipe: boolean;
}

/**
 * The text of the file at `path`.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` that names it; for whatever is no regular file too.
 */
export async function readConfigFile(path: string): Promise<string> {
  return await named(path, async () => {
    await using file = await open(path, READ_AT_ONCE);
    if (!(await file.stat()).isFile()) throw new Error("it is no regular file");
    return await textOf(file);
  });
}

/** {@link readConfigFile} at the start, when whoever started crossrole may hand it a pipe as well. */
export async function readFirstConfig(path: string): Promise<FirstText> {
  return await named(path, async () => {
    const found = await stat(path);
    const isPipe = found.isFIFO() || found.isCharacterDevice();
    if (!isPipe) return { text: await readConfigFile(path), isPipe };
    await using pipe = await open(path, "r");
    return { text: await textOf(pipe), isPipe };
  });
}

async function textOf(file: FileHandle): Promise<string> {
  if ((await file.stat()).size > MAX_BYTES) throw new Error(TOO_LARGE);
  const chunks: Buffer[] = [];
  let length = 0;
  // It may grow while it is read, and a pipe does not know its size.
  for await (const chunk of file.createReadStream({ autoClose: false })) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > MAX_BYTES) throw new Error(TOO_LARGE);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const TOO_LARGE = "it is larger than 4 MiB";

async function named<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CrossroleError) throw error;
    const message = `${path}: cannot be read: ${messageOf(error)}`;
    throw new CrossroleError("ERR_CONFIG_INVALID", message, { cause: error });
  }
}
