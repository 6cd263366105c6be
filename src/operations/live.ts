/** @module Server-sent events: whoever watches is sent what it shows whenever that has changed. */
import type { ServerResponse } from "node:http";

/** How often it is looked at whether anything has changed, while somebody watches. */
const TICK_MS = 1_000;
/** What takes long to render is rendered less often: it takes a fiftieth of the time at most. */
const RENDERING_SHARE = 1 / 50;
/** A silent connection is taken for dead after 10 s: a comment is sent before that. */
const HEARTBEAT_MS = 4_000;
/** A watcher is a tab or a terminal of somebody who operates this. */
const MAX_WATCHERS = 16;
/** A watcher that reads nothing must not be written to for ever. */
const MAX_WAITING_BYTES = 8_388_608;

/** What is watched: rendered once for all who watch it. */
export interface Channel {
  readonly event: string;
  /** As JSON text. */
  readonly render: () => string;
}

interface Watcher {
  readonly channel: Channel;
  readonly response: ServerResponse;
  sent: string;
  /** By the monotonic clock. */
  sentMs: number;
}

export class Live {
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /**
   * Answers with a stream of what `channel` shows, now and whenever it has changed.
   *
   * @returns false, with nothing answered, when there are too many watchers.
   * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
   */
  attach(response: ServerResponse, channel: Channel): boolean {
    if (this.#isClosed || this.#watchers.size >= MAX_WATCHERS) return false;
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    });
    const watcher: Watcher = { channel, response, sent: "", sentMs: 0 };
    this.#watchers.add(watcher);
    response.once("close", () => this.#detach(watcher));
    // There is no last answer to wait for: whoever ends its side has gone, and leaves its place to others.
    response.socket?.once("end", () => response.end());
    this.#send(watcher, channel.render());
    this.#timer ??= setTimeout(() => this.#tick(), TICK_MS).unref();
    return true;
  }

  /** Ends every stream, so that no listener waits for one; whoever watches asks again. */
  close(): void {
    this.#isClosed = true;
    for (const { response } of this.#watchers) response.end();
  }

  #tick(): void {
    const startedMs = performance.now();
    const rendered = new Map<Channel, string>();
    for (const watcher of this.#watchers) {
      const { channel } = watcher;
      const now = rendered.get(channel) ?? channel.render();
      rendered.set(channel, now);
      this.#send(watcher, now);
    }
    const pauseMs = Math.max(TICK_MS, (performance.now() - startedMs) / RENDERING_SHARE);
    this.#timer = setTimeout(() => this.#tick(), Math.min(pauseMs, HEARTBEAT_MS)).unref();
  }

  #send(watcher: Watcher, text: string): void {
    const { response, channel } = watcher;
    if (response.writableLength > MAX_WAITING_BYTES) {
      response.destroy();
      return;
    }
    const nowMs = performance.now();
    const isNew = text !== watcher.sent;
    if (!isNew && nowMs - watcher.sentMs < HEARTBEAT_MS) return;
    watcher.sent = text;
    watcher.sentMs = nowMs;
    response.write(isNew ? `event: ${channel.event}\ndata: ${text}\n\n` : ":\n\n");
  }

  #detach(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
