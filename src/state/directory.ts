/** @module The state directory: what survives a restart, in memory that only this user can read. */
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import {
  constants,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { CrossroleError, messageOf } from "../errors.ts";

/**
 * File systems that are memory and never a disk: tmpfs and ramfs.
 *
 * @see https://man7.org/linux/man-pages/man2/statfs.2.html
 */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

const OWNER_ONLY = 0o700;
const PERMISSIONS = 0o777;
/** A name in the directory; nothing that comes from outside could climb out of it. */
const NAME = /^\w[\w.-]*(?:\/\w[\w.-]*)?$/;
/** What a write leaves behind that was killed in its middle. */
const UNFINISHED = /\.new$/;
/** Another daemon of an overlap may be writing: older ones are nobody's. */
const UNFINISHED_MS = 60_000;

export class StateDirectory {
  readonly #path: string;
  readonly #uid: number | undefined;

  private constructor(path: string, uid: number | undefined) {
    this.#path = path;
    this.#uid = uid;
  }

  /**
   * Makes the directory at `path`, or takes the one that is there when nobody else can read it and
   * nothing of it reaches a disk. What is in it is not encrypted: the key would have to lie beside it.
   *
   * @param uid whose it must be; undefined where there are no users
   * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` that says what to change.
   */
  static async open(path: string, uid: number | undefined): Promise<StateDirectory> {
    await makePrivate(path, uid, stat);
    return new StateDirectory(path, uid);
  }

  /** The names in `folder`, without what a killed process has left there; none when there is no such folder. */
  async names(folder: string): Promise<string[]> {
    const names = await readdir(join(this.#path, folder)).catch(() => []);
    const finished: string[] = [];
    for (const name of names) {
      if (UNFINISHED.test(name)) await this.#removeOld(`${folder}/${name}`);
      else finished.push(name);
    }
    return finished;
  }

  /**
   * The text of a file, or undefined when it cannot be read, is longer than `maxBytes` or is none:
   * opening a pipe would wait for a writer, and a link leads out of the directory.
   */
  async read(name: string, maxBytes: number): Promise<string | undefined> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    try {
      await using file = await open(this.#pathOf(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      const found = await file.stat();
      return found.isFile() && found.size <= maxBytes ? await file.readFile("utf8") : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether there is anything of that name. */
  async has(name: string): Promise<boolean> {
    const found = await lstat(this.#pathOf(name)).catch(() => undefined);
    return found !== undefined;
  }

  /** Writes so that a reader finds the old text or the new one, whole, whoever else writes. */
  async write(name: string, text: string): Promise<void> {
    const path = this.#pathOf(name);
    const temporary = `${path}.${randomBytes(6).toString("hex")}.new`;
    try {
      await writeFile(temporary, text, { mode: 0o600, flag: "wx" });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.#pathOf(name), { force: true });
  }

  /**
   * Makes a folder in it, or takes the one that is there by the same rules; a link to one is none:
   * it may lead to a disk.
   *
   * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` that says what to change.
   */
  async makeFolder(name: string): Promise<void> {
    await makePrivate(this.#pathOf(name), this.#uid, lstat);
  }

  async #removeOld(name: string): Promise<void> {
    const found = await stat(this.#pathOf(name)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > UNFINISHED_MS) await this.remove(name);
  }

  #pathOf(name: string): string {
    if (!NAME.test(name)) throw new TypeError("a name in the state directory is a plain one");
    return join(this.#path, name);
  }
}

type Look = (path: string) => Promise<Stats>;

async function makePrivate(path: string, uid: number | undefined, look: Look): Promise<void> {
  try {
    // Below a directory that is not there yet; one that is keeps its rights, which are looked at.
    await mkdir(path, { recursive: true, mode: OWNER_ONLY });
    await assertPrivate(path, uid, look);
  } catch (error) {
    if (error instanceof CrossroleError) throw error;
    throw unusable(path, messageOf(error), error);
  }
}

/** @param look whether a link is what it points to, or is itself what is looked at */
async function assertPrivate(path: string, uid: number | undefined, look: Look): Promise<void> {
  const found = await look(path);
  if (found.isSymbolicLink()) throw unusable(path, "it is a symlink");
  if (!found.isDirectory()) throw unusable(path, "it is no directory");
  if (uid !== undefined && found.uid !== uid) {
    throw unusable(path, `it belongs to uid ${found.uid}, and crossrole runs as ${uid}`);
  }
  if ((found.mode & PERMISSIONS) !== OWNER_ONLY) {
    const mode = (found.mode & PERMISSIONS).toString(8).padStart(4, "0");
    throw unusable(path, `its mode is ${mode} and must be 0700 (chmod 700 ${path})`);
  }
  const { type } = await statfs(path);
  if (!IN_MEMORY.has(type)) {
    throw unusable(
      path,
      "it is on a disk, where secrets would stay; choose a directory on tmpfs, below /run or /dev/shm say",
    );
  }
}

function unusable(path: string, why: string, cause?: unknown): CrossroleError {
  const message = `state.directory ${path} cannot be used: ${why}`;
  return new CrossroleError("ERR_CONFIG_INVALID", message, { cause });
}
