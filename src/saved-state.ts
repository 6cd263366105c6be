/** @module What a daemon takes over from the one before it, and leaves to the next. */
import type { RestoredSession } from "./credentials/restored.ts";
import type { CredentialEvent } from "./credentials/types.ts";
import { CrossroleError, messageOf } from "./errors.ts";
import type { Log } from "./log.ts";
import { openTokenKeys } from "./metadata/token-key-file.ts";
import type { CurrentKeys } from "./metadata/token-key-file.ts";
import { StateDirectory } from "./state/directory.ts";
import { SessionStore } from "./state/session-store.ts";

/** How long sessions wait for whoever they are of. A pod is known seconds after the start, or the API server is away. */
const CLAIM_MS = 10 * 60_000;

export interface SavedState {
  readonly tokenKeys: CurrentKeys;
  /** The sessions of the daemon before. */
  readonly sessions: readonly RestoredSession[];
  readonly onCredentialEvent: (event: CredentialEvent) => void;
  /** Calls `forget` once whatever was not wanted by then is not going to be. */
  readonly expire: (forget: () => void) => void;
  /** Everything is written. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the state in `directory`; without one nothing outlives the process.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` when the directory cannot be used.
 */
export async function openState(
  directory: string | undefined,
  { uid, log }: { readonly uid: number | undefined; readonly log: Log },
): Promise<SavedState> {
  const warn = (event: string) => (error: unknown) => log.warn(event, { reason: messageOf(error) });
  const keyTrouble = {
    onMalformed: () => log.warn(KEYS_IGNORED),
    onError: warn("metadata-token keys not written"),
  };
  if (directory === undefined) {
    const tokenKeys = await openTokenKeys(undefined, Date.now, keyTrouble);
    return {
      tokenKeys,
      sessions: [],
      onCredentialEvent: none,
      expire: none,
      close: async () => {},
    };
  }
  const state = await StateDirectory.open(directory, uid);
  const store = new SessionStore({
    state,
    onMalformed: (files) => log.warn("saved sessions ignored: they cannot be read", { files }),
    onError: warn("session not saved, a restart will ask STS for it"),
  });
  try {
    const sessions = await store.load();
    // What has expired makes room for the keys.
    await store.flush();
    const tokenKeys = await openTokenKeys(state, Date.now, keyTrouble);
    return { ...stateWith(store, sessions), tokenKeys };
  } catch (error) {
    if (error instanceof CrossroleError) throw error;
    const message = `state.directory ${directory} cannot be used: ${messageOf(error)}`;
    throw new CrossroleError("ERR_CONFIG_INVALID", message, { cause: error });
  }
}

function stateWith(
  store: SessionStore,
  sessions: readonly RestoredSession[],
): Omit<SavedState, "tokenKeys"> {
  let timer: NodeJS.Timeout | undefined;
  return {
    sessions,
    onCredentialEvent: store.onEvent,
    expire: (forget) => {
      timer = setTimeout(() => {
        forget();
        store.removeUnclaimed();
      }, CLAIM_MS).unref();
    },
    close: async () => {
      clearTimeout(timer);
      await store.flush();
    },
  };
}

const KEYS_IGNORED =
  "saved metadata-token keys ignored: they cannot be read, and tokens of before are asked for anew";

function none(): void {
  // Nothing is kept.
}
