/** @module The live sessions in the state directory: a file each, written as they change, read at the start. */
import { uptime } from "node:os";
import type { RestoredSession } from "../credentials/restored.ts";
import { sessionKey } from "../credentials/session-key.ts";
import { TemporaryCredentials } from "../credentials/types.ts";
import type { CredentialEvent } from "../credentials/types.ts";
import type { StateDirectory } from "./directory.ts";
import { decode, encode, fileNameOf } from "./saved-session.ts";
import type { MachineInstant, SavedSession } from "./saved-session.ts";

const FOLDER = "sessions";
/** A session's key holds policies and tags; with the token of STS it is a few KiB. */
const MAX_BYTES = 65_536;
/** Whatever else lies there is not ours. */
const FILE_NAME = /^[0-9a-f]{64}\.json$/;
/** As many as the cache holds. */
const MAX_FILES = 10_000;
/** Files that are read at once. */
const READ_AT_ONCE = 32;

export interface SessionStoreOptions {
  readonly state: StateDirectory;
  /** Files that are no sessions: how many. */
  readonly onMalformed: (count: number) => void;
  /** A session cannot be written. Told once, until one can be again. */
  readonly onError: (error: unknown) => void;
  readonly now?: () => MachineInstant;
}

export class SessionStore {
  readonly #options: SessionStoreOptions;
  readonly #now: () => MachineInstant;
  /** When what is in each file expires, in the order in which they were written. */
  readonly #files = new Map<string, number>();
  /** What each file is to become; undefined for none. A later change takes the place of one that waits. */
  readonly #waiting = new Map<string, SavedSession | undefined>();
  /** Files of an earlier process that nobody has wanted yet. */
  readonly #unclaimed = new Set<string>();
  #writing: Promise<void> | undefined;
  #wasWritable = true;

  constructor(options: SessionStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? machineNow;
  }

  /** What an earlier process has left; what has expired and what is no session is removed. */
  async load(): Promise<RestoredSession[]> {
    const { state, onMalformed } = this.#options;
    await state.makeFolder(FOLDER);
    const names = (await state.names(FOLDER)).filter((name) => FILE_NAME.test(name));
    const found: RestoredSession[] = [];
    let malformed = 0;
    for (let start = 0; start < names.length; start += READ_AT_ONCE) {
      const some = names.slice(start, start + READ_AT_ONCE);
      const sessions = await Promise.all(some.map((name) => this.#read(name)));
      for (const [index, session] of sessions.entries()) {
        const name = some[index] ?? "";
        const expiryMs = session?.credentials.expiration.getTime() ?? 0;
        if (session === undefined) malformed++;
        if (expiryMs <= this.#now().wallMs || found.length === MAX_FILES)
          this.#put(name, undefined);
        else if (session !== undefined) found.push(this.#restored(name, session, expiryMs));
      }
    }
    if (malformed > 0) onMalformed(malformed);
    return found;
  }

  /** Keeps what the cache holds in the files. */
  readonly onEvent = (event: CredentialEvent): void => {
    if (event.source.kind === "base" || event.type === "failed") return;
    const key = sessionKey(event.source);
    const name = fileNameOf(key);
    this.#unclaimed.delete(name);
    if (event.type === "lapsed" || event.type === "dropped") this.#put(name, undefined);
    if (event.type !== "obtained" || !(event.credentials instanceof TemporaryCredentials)) return;
    const { credentials } = event;
    this.#put(name, { key, credentials, obtained: this.#now() });
  };

  /** Removes what an earlier process has left and nobody has wanted. */
  removeUnclaimed(): void {
    for (const name of this.#unclaimed) this.#put(name, undefined);
    this.#unclaimed.clear();
  }

  /** Everything that has happened so far is in the files. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #read(name: string): Promise<RestoredSession | undefined> {
    const text = await this.#options.state.read(`${FOLDER}/${name}`, MAX_BYTES);
    const session = decode(text ?? "", this.#now(), performance.now());
    // Under another name it would outlive the session that it is of.
    return session !== undefined && fileNameOf(session.key) === name ? session : undefined;
  }

  #restored(name: string, session: RestoredSession, expiryMs: number): RestoredSession {
    this.#files.set(name, expiryMs);
    this.#unclaimed.add(name);
    return session;
  }

  #put(name: string, session: SavedSession | undefined): void {
    this.#waiting.set(name, session);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** One after the other: a herd of sessions must not take every thread from the requests. */
  async #writeAll(): Promise<void> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        await this.#write(...next);
        this.#wasWritable = true;
      } catch (error) {
        if (this.#wasWritable) this.#options.onError(error);
        this.#wasWritable = false;
      }
    }
  }

  #next(): [string, SavedSession | undefined] | undefined {
    const [next] = this.#waiting;
    if (next !== undefined) this.#waiting.delete(next[0]);
    return next;
  }

  async #write(name: string, session: SavedSession | undefined): Promise<void> {
    const { state } = this.#options;
    this.#files.delete(name);
    if (session === undefined) {
      await state.remove(`${FOLDER}/${name}`);
      return;
    }
    await state.write(`${FOLDER}/${name}`, encode(session));
    this.#files.set(name, session.credentials.expiration.getTime());
    this.#removeOutlived();
  }

  /** Sessions that the cache has pushed out leave files behind, and nobody says so. */
  #removeOutlived(): void {
    for (const [name, expiryMs] of this.#files) {
      if (expiryMs > this.#now().wallMs && this.#files.size <= MAX_FILES) return;
      this.#files.delete(name);
      this.#waiting.set(name, undefined);
    }
  }
}

function machineNow(): MachineInstant {
  return { wallMs: Date.now(), uptimeMs: uptime() * 1_000 };
}
