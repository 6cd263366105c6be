/** @module The authorization tokens of container credentials: one a role, compared in constant time. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { constants } from "node:fs";
import { open, rename, rm, stat, writeFile } from "node:fs/promises";
import type { AuthorizationToken } from "../callers/types.ts";
import { CrossroleError, messageOf } from "../errors.ts";

/** A token in a file is replaced every hour; the one before is good for one hour more. */
const ROTATION_MS = 3_600_000;

const TOKEN_BYTES = 32;
const TOKEN = /^[\x21-\x7e]{16,4096}$/;

/** The mode bits by which others than its owner could have written a file. */
const OTHERS_WRITE = 0o022;

/** The digests of the tokens that a role accepts now. */
interface Accepted {
  readonly source: AuthorizationToken;
  readonly current: Buffer;
  readonly previous: Buffer | undefined;
}

export class AuthorizationTokens {
  readonly #onError: (error: unknown) => void;
  #accepted: ReadonlyMap<string, Accepted> = new Map();
  #timer: NodeJS.Timeout | undefined;
  /** What is compared with where there is no such role: that takes the same time. */
  readonly #nobody = digest(newToken());

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Whether `presented` is the token of the role called `name`, or the one before. */
  isAuthorized(name: string, presented: string): boolean {
    const accepted = this.#accepted.get(name);
    const digested = digest(presented);
    const isCurrent = timingSafeEqual(digested, accepted?.current ?? this.#nobody);
    const isPrevious = timingSafeEqual(digested, accepted?.previous ?? this.#nobody);
    return accepted !== undefined && (isCurrent || isPrevious);
  }

  /**
   * Makes ready the tokens of a configuration; a role that keeps its source keeps its token.
   *
   * @returns what takes them over, once everything else of that configuration is ready too.
   * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` for a file that cannot be written.
   */
  async prepare(sources: ReadonlyMap<string, AuthorizationToken>): Promise<() => void> {
    const fresh = new Map<string, Accepted>();
    for (const [name, source] of sources) {
      if (this.#kept(name, source) === undefined) fresh.set(name, await accept(source));
    }
    return () => {
      // What is kept is looked up again: a rotation may have replaced it meanwhile.
      const accepted = new Map<string, Accepted>();
      for (const [name, source] of sources) {
        const token = fresh.get(name) ?? this.#kept(name, source);
        if (token !== undefined) accepted.set(name, token);
      }
      this.#accepted = accepted;
      // Not begun anew: reloads that come more often than it does must not put it off for ever.
      this.#timer ??= setInterval(() => void this.#rotate(), ROTATION_MS).unref();
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #kept(name: string, source: AuthorizationToken): Accepted | undefined {
    const known = this.#accepted.get(name);
    return JSON.stringify(known?.source) === JSON.stringify(source) ? known : undefined;
  }

  async #rotate(): Promise<void> {
    for (const [name, known] of this.#accepted) {
      if (known.source.kind !== "file") continue;
      const token = newToken();
      const rotated = { ...known, current: digest(token), previous: known.current };
      // Accepted before it can be read: whoever reads the new file is right at once.
      this.#replace(name, known, rotated);
      try {
        await write(known.source.path, token);
      } catch (error) {
        // The token in the file stays good: it is only older than it should be.
        this.#replace(name, rotated, known);
        this.#onError(error);
      }
    }
  }

  /** Puts `next` in the place of `known`, unless a reload has put something else there. */
  #replace(name: string, known: Accepted, next: Accepted): void {
    if (this.#accepted.get(name) !== known) return;
    this.#accepted = new Map(this.#accepted).set(name, next);
  }
}

async function accept(source: AuthorizationToken): Promise<Accepted> {
  if (source.kind === "value") {
    return { source, current: digest(source.value), previous: undefined };
  }
  const left = await readLeft(source.path);
  const token = newToken();
  await write(source.path, token);
  // Only what this user wrote was ever a token: in a directory like /tmp it may be anybody's.
  const isOwn = left !== undefined && left.uid === (await stat(source.path)).uid;
  return { source, current: digest(token), previous: isOwn ? digest(left.token) : undefined };
}

interface Left {
  readonly token: string;
  readonly uid: number;
}

/** What a run before this one left: a client that has read it is still on its way. */
async function readLeft(path: string): Promise<Left | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    await using file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const { mode, uid } = await file.stat();
    if ((mode & OTHERS_WRITE) !== 0) return undefined;
    const token = await file.readFile("utf8");
    return TOKEN.test(token) ? { token, uid } : undefined;
  } catch {
    // There is none yet, or what is there is no file of a token.
    return undefined;
  }
}

/** By rename, so that a reader finds a whole token; without a newline, which no SDK forgives. */
async function write(path: string, token: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await rm(temporary, { force: true });
    await writeFile(temporary, token, { mode: 0o600, flag: "wx" });
    await rename(temporary, path);
  } catch (error) {
    const message = `the authorization token cannot be written to ${path}: ${messageOf(error)}`;
    throw new CrossroleError("ERR_CONFIG_INVALID", message, { cause: error });
  }
}

/** A token: 32 random bytes in base64url. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/** Digests have one length, and the time that their comparison takes tells nothing of the token. */
function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
