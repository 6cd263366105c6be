/** @module The listeners that are open, and how a reload turns them into others. */
import { CrossroleError } from "../errors.ts";
import { isSameAddress, unmatchedError } from "./inherited.ts";
import type { InheritedSocket } from "./inherited.ts";
import { inherit, listen, listenInherited } from "./listener.ts";
import type { ListenOptions, RunningListener } from "./listener.ts";

type Wanted = ReadonlyMap<string, ListenOptions>;

export class ListenerSet {
  readonly #passed: InheritedSocket[];
  #running: ReadonlyMap<string, RunningListener> = new Map();
  /** Inherited ones that the configuration has no longer: whoever passed them on keeps them open. */
  readonly #paused = new Map<string, RunningListener>();
  #closed = false;

  /** @param passed sockets that the first {@link open} takes instead of binding their addresses */
  constructor(passed: readonly InheritedSocket[] = []) {
    this.#passed = [...passed];
  }

  /** By key, in the order of the last {@link open}. */
  get running(): ReadonlyMap<string, RunningListener> {
    return this.#running;
  }

  /**
   * Opens what is in `wanted` and not open yet; what is open under the same key stays as it is, with
   * its connections. What is no longer wanted stays open too, until the function that is returned.
   *
   * @param lastly what is done once all of it is open
   * @throws {@link CrossroleError} `ERR_LISTEN_FAILED`, or what `lastly` throws; then nothing has changed.
   */
  async open(wanted: Wanted, lastly: () => Promise<void>): Promise<() => Promise<void>> {
    const running = new Map<string, RunningListener>();
    const fresh = new Map<string, RunningListener>(this.#inherit(wanted));
    try {
      for (const [key, options] of wanted) {
        const known = this.#running.get(key) ?? fresh.get(key);
        const listener = known ?? this.#resume(key) ?? (await this.#listen(options, wanted));
        if (known === undefined) fresh.set(key, listener);
        running.set(key, listener);
      }
      this.#assertOpen();
      await lastly();
      this.#assertOpen();
    } catch (error) {
      await this.#endAll(fresh);
      throw error;
    }
    const gone = [...this.#running].filter(([key]) => !wanted.has(key));
    this.#running = running;
    return () => this.#endAll(gone);
  }

  #assertOpen(): void {
    if (this.#closed) throw new CrossroleError("ERR_CLOSED", "crossrole is shutting down");
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#running.values(), ...this.#paused.values()];
    this.#running = new Map();
    this.#paused.clear();
    await Promise.all(all.map((listener) => listener.close()));
  }

  /** In one turn of the event loop: a connection that waits already finds its handlers. */
  #inherit(wanted: Wanted): [string, RunningListener][] {
    const servers = this.#passed.splice(0).map((socket) => inherit(socket));
    const matched = servers.flatMap((server) => {
      const found = [...wanted].find(([, options]) => isSameAddress(options, server));
      return found === undefined ? [] : [{ key: found[0], options: found[1], server }];
    });
    const unmatched = servers.filter((one) => !matched.some(({ server }) => server === one));
    if (unmatched.length > 0) {
      for (const { server } of servers) server.close();
      throw unmatchedError(unmatched, wanted.values());
    }
    return matched.map(({ key, options, server }) => [key, listenInherited(server, options)]);
  }

  #resume(key: string): RunningListener | undefined {
    const listener = this.#paused.get(key);
    this.#paused.delete(key);
    listener?.resume();
    return listener;
  }

  async #listen(options: ListenOptions, wanted: Wanted): Promise<RunningListener> {
    try {
      return await listen(options);
    } catch (error) {
      const own = [...this.#running].find(([key, { port }]) => {
        return !wanted.has(key) && port === options.port;
      });
      if (own === undefined) throw error;
      const message =
        `cannot listen on ${options.host}:${options.port} while this crossrole answers at ` +
        `${own[1].host}:${options.port}: restart it, or take the old listener out first`;
      throw new CrossroleError("ERR_LISTEN_FAILED", message, { cause: error });
    }
  }

  async #endAll(listeners: Iterable<readonly [string, RunningListener]>): Promise<void> {
    const ended = [...listeners].map(async ([key, listener]) => {
      if (!listener.isInherited) return await listener.close();
      this.#paused.set(key, listener);
      await listener.pause();
    });
    await Promise.all(ended);
  }
}
