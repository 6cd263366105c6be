/** @module Notices that the configuration file says something else than before. */
import { readConfigFile } from "./config-file.ts";

/**
 * How often the file is read: 2 seconds. It is a page long, and reading it sees every way to change
 * it: an editor's rename, the symlink swap of a ConfigMap, a network file system that notifies nobody.
 */
const INTERVAL_MS = 2_000;

export interface ConfigWatch {
  /** Reads the file now and reports it even if it says the same (SIGHUP). */
  check(): Promise<void>;
  close(): void;
}

export interface WatchOptions {
  readonly path: string;
  /** What the file said when it was loaded. */
  readonly text: string;
  readonly onChange: (text: string) => Promise<void>;
  /** The file cannot be read. Told once, until it can be read again. */
  readonly onError: (error: unknown) => void;
}

export function watchConfig({ path, text, onChange, onError }: WatchOptions): ConfigWatch {
  let known = text;
  let wasReadable = true;
  let busy = Promise.resolve();
  /** A look that was asked for and has not begun: whoever asks meanwhile is told by the same one. */
  let asked: Promise<void> | undefined;
  let closed = false;

  const look = async (always: boolean) => {
    try {
      const current = await readConfigFile(path);
      // A file that can be read again is offered even if it says what it said before: all is well again.
      const isNews = current !== known || !wasReadable;
      wasReadable = true;
      if (closed || !(isNews || always)) return;
      known = current;
      await onChange(current).catch(onError);
    } catch (error) {
      if (wasReadable || always) onError(error);
      wasReadable = false;
    }
  };
  // One look at a time: a change must not overtake the one before.
  const inTurn = (step: () => Promise<void>) => (busy = busy.then(step));
  const lookForWhoAsked = () => {
    asked = undefined;
    return look(true);
  };
  const check = () => (asked ??= inTurn(lookForWhoAsked));
  const timer = setInterval(() => void inTurn(() => look(false)), INTERVAL_MS).unref();
  const close = () => {
    closed = true;
    clearInterval(timer);
  };
  return { check, close };
}
