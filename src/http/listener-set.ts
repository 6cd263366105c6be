/** @module The listeners that are open, and how a reload turns them into others. */
import { listen } from "./listener.ts";
import type { ListenOptions, RunningListener } from "./listener.ts";

export class ListenerSet {
  #running: ReadonlyMap<string, RunningListener> = new Map();

  /** By key, in the order of the last {@link open}. */
  get running(): ReadonlyMap<string, RunningListener> {
    return this.#running;
  }

  /**
   * Opens what is in `wanted` and not open yet; what is open under the same key stays as it is, with
   * its connections. What is no longer wanted stays open too, until the function that is returned.
   *
   * @throws {@link CrossroleError} `ERR_LISTEN_FAILED`; then nothing has changed.
   */
  async open(wanted: ReadonlyMap<string, ListenOptions>): Promise<() => Promise<void>> {
    const running = new Map<string, RunningListener>();
    const fresh: RunningListener[] = [];
    try {
      for (const [key, options] of wanted) {
        let listener = this.#running.get(key);
        if (listener === undefined) {
          listener = await listen(options);
          fresh.push(listener);
        }
        running.set(key, listener);
      }
    } catch (error) {
      await closeAll(fresh);
      throw error;
    }
    const gone = [...this.#running].filter(([key]) => !wanted.has(key)).map(([, one]) => one);
    this.#running = running;
    return () => closeAll(gone);
  }

  async close(): Promise<void> {
    const running = [...this.#running.values()];
    this.#running = new Map();
    await closeAll(running);
  }
}

async function closeAll(listeners: readonly RunningListener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}
