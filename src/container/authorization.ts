/** @module The authorization tokens of container credentials: one a role, compared in constant time. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import type { AuthorizationToken } from "../callers/types.ts";
import { CrossroleError, messageOf } from "../errors.ts";

/** A token in a file is replaced every hour; the one before is good for one hour more. */
const ROTATION_MS = 3_600_000;

const TOKEN_BYTES = 32;
const TOKEN = /^[\x21-\x7e]{16,4096}$/;

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
    const accepted = new Map<string, Accepted>();
    for (const [name, source] of sources) {
      const known = this.#accepted.get(name);
      const isSame = known !== undefined && JSON.stringify(known.source) === JSON.stringify(source);
      accepted.set(name, isSame ? known : await accept(source));
    }
    return () => {
      this.#accepted = accepted;
      clearInterval(this.#timer);
      this.#timer = setInterval(() => void this.#rotate(), ROTATION_MS).unref();
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #rotate(): Promise<void> {
    for (const [name, known] of this.#accepted) {
      if (known.source.kind !== "file") continue;
      try {
        const rotated = await accept(known.source, known.current);
        this.#accepted = new Map(this.#accepted).set(name, rotated);
      } catch (error) {
        // The token in the file stays good: it is only older than it should be.
        this.#onError(error);
      }
    }
  }
}

async function accept(source: AuthorizationToken, previous?: Buffer): Promise<Accepted> {
  if (source.kind === "value") return { source, current: digest(source.value), previous };
  const before = previous ?? (await digestIn(source.path));
  const token = newToken();
  // Accepted before it can be read: whoever reads the new file is right at once.
  await write(source.path, token);
  return { source, current: digest(token), previous: before };
}

/** What a run before this one left: a client that has read it is still on its way. */
async function digestIn(path: string): Promise<Buffer | undefined> {
  const token = await readFile(path, "utf8").catch(() => "");
  return TOKEN.test(token) ? digest(token) : undefined;
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
