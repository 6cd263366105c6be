/** @module The authorization tokens of container credentials: one a role, compared in constant time. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { AuthorizationToken } from "../callers/types.ts";
import { assertTokenFile, readTokenFile, stampOf, writeTokenFile } from "./token-file.ts";

/** A token in a file is replaced every hour; the one before is good for one hour more. */
const ROTATION_MS = 3_600_000;

const TOKEN_BYTES = 32;

/** What is compared with where there is no such role: that takes the same time. */
const NOBODY = digest(newToken());

/** Tokens that are accepted as today's: this daemon's, and the last of those that others put in the file. */
const MAX_CURRENT = 4;

/** The digests of the tokens that a role accepts now. */
interface Accepted {
  readonly source: AuthorizationToken;
  readonly current: readonly Buffer[];
  readonly previous: readonly Buffer[];
  /** The file when another daemon's token was last looked for in it. */
  readonly seen?: string | undefined;
}

export interface AuthorizationOptions {
  /** Whose the files must be; undefined where there are no users. */
  readonly uid: number | undefined;
  /** A token could not be replaced. */
  readonly onError: (error: unknown) => void;
}

/** The tokens of a configuration that is not taken over yet; disposed of, they are no longer accepted. */
export interface PreparedTokens extends Disposable {
  /** Accepts them beside those of now. */
  readonly offer: () => void;
  /**
   * Writes them to their files, and accepts no others any more.
   *
   * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` for a file that cannot be written.
   */
  readonly take: () => Promise<void>;
}

export class AuthorizationTokens {
  readonly #options: AuthorizationOptions;
  #accepted: ReadonlyMap<string, Accepted> = new Map();
  #offered: ReadonlyMap<string, Accepted> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AuthorizationOptions) {
    this.#options = options;
  }

  /**
   * Whether `presented` is the token of the role called `name`, or the one before. One that is not known
   * is looked for in the role's file: a daemon that answers beside this one may have written it there.
   */
  isAuthorized(name: string, presented: string): boolean | Promise<boolean> {
    const digested = digest(presented);
    if (this.#isKnown(name, digested)) return true;
    // With the file of another role where this one has none: that takes the same time too.
    const looked = [name, ...this.#accepted.keys()].find(
      (each) => this.#accepted.get(each)?.source.kind === "file",
    );
    if (looked === undefined) return false;
    return this.#look(looked).then(() => this.#isKnown(name, digested));
  }

  /**
   * Makes ready the tokens of a configuration; a role that keeps its source keeps its token.
   *
   * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` for a file that cannot be written.
   */
  async prepare(sources: ReadonlyMap<string, AuthorizationToken>): Promise<PreparedTokens> {
    const fresh = new Map<string, Accepted>();
    const written = new Map<string, string>();
    for (const [name, source] of sources) {
      if (this.#kept(name, source) !== undefined) continue;
      const token = source.kind === "value" ? source.value : newToken();
      if (source.kind === "file") written.set(source.path, token);
      const previous = source.kind === "file" ? await this.#left(source.path) : [];
      fresh.set(name, { source, current: [digest(token)], previous });
    }
    const drop = () => {
      if (this.#offered === fresh) this.#offered = new Map();
    };
    return {
      offer: () => {
        this.#offered = fresh;
      },
      take: async () => {
        for (const file of written) await writeTokenFile(...file);
        this.#take(sources, fresh);
        drop();
      },
      [Symbol.dispose]: drop,
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #take(
    sources: ReadonlyMap<string, AuthorizationToken>,
    fresh: ReadonlyMap<string, Accepted>,
  ): void {
    // What is kept is looked up again: a rotation may have replaced it meanwhile.
    const accepted = new Map<string, Accepted>();
    for (const [name, source] of sources) {
      const token = fresh.get(name) ?? this.#kept(name, source);
      if (token !== undefined) accepted.set(name, token);
    }
    this.#accepted = accepted;
    // Not begun anew: reloads that come more often than it does must not put it off for ever.
    this.#timer ??= setInterval(() => void this.#rotate(), ROTATION_MS).unref();
  }

  /** The token that a run before this one left: a client that has read it is still on its way. */
  async #left(path: string): Promise<Buffer[]> {
    await assertTokenFile(path);
    const left = await readTokenFile(path, this.#options.uid);
    return left === undefined ? [] : [digest(left)];
  }

  #isKnown(name: string, digested: Buffer): boolean {
    let isKnown = false;
    for (const tokens of [this.#accepted, this.#offered]) {
      const accepted = tokens.get(name);
      for (const token of accepted ? [...accepted.current, ...accepted.previous] : [NOBODY, NOBODY])
        isKnown = (timingSafeEqual(digested, token) && accepted !== undefined) || isKnown;
    }
    return isKnown;
  }

  /** Accepts what is in the role's file, once for each time that it is replaced. */
  async #look(name: string): Promise<void> {
    const known = this.#accepted.get(name);
    if (known?.source.kind !== "file") return;
    const { path } = known.source;
    const seen = await stampOf(path);
    if (seen === known.seen) return;
    const found = await readTokenFile(path, this.#options.uid);
    const now = this.#accepted.get(name);
    if (now?.source !== known.source) return;
    const others = found === undefined ? [] : [digest(found)];
    const isNew = !others.some((token) => this.#isKnown(name, token));
    const current = isNew ? [...now.current, ...others].slice(-MAX_CURRENT) : now.current;
    this.#accepted = new Map(this.#accepted).set(name, { ...now, seen, current });
  }

  #kept(name: string, source: AuthorizationToken): Accepted | undefined {
    const known = this.#accepted.get(name);
    return JSON.stringify(known?.source) === JSON.stringify(source) ? known : undefined;
  }

  async #rotate(): Promise<void> {
    for (const [name, known] of this.#accepted) {
      if (known.source.kind !== "file") continue;
      const token = newToken();
      // Accepted before it can be read: whoever reads the new file is right at once.
      this.#replace(name, { ...known, current: [digest(token)], previous: known.current });
      try {
        await writeTokenFile(known.source.path, token);
      } catch (error) {
        // The token in the file stays good: it is only older than it should be.
        this.#replace(name, known);
        this.#options.onError(error);
      }
    }
  }

  /** Accepts `next` instead, unless a reload has put something else there. */
  #replace(name: string, next: Accepted): void {
    if (this.#accepted.get(name)?.source !== next.source) return;
    this.#accepted = new Map(this.#accepted).set(name, next);
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
