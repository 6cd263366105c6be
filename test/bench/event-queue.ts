/** @module Things to come, the next one first: a binary heap. */

export interface Event {
  readonly atMs: number;
  /** Which of many it is about. */
  readonly index: number;
  /** Whether it may happen, or has yet to ask for its turn. */
  readonly isGranted: boolean;
}

export class EventQueue {
  readonly #events: Event[] = [];

  push(event: Event): void {
    const events = this.#events;
    let at = events.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((events[parent]?.atMs ?? 0) <= event.atMs) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  pop(): Event | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    events[0] = last;
    for (let at = 0; ;) {
      const next = this.#earlierChild(at);
      if (next === undefined || this.#timeOf(next) >= last.atMs) return first;
      this.#swap(at, next);
      at = next;
    }
  }

  #earlierChild(at: number): number | undefined {
    const left = 2 * at + 1;
    if (left >= this.#events.length) return undefined;
    return this.#timeOf(left + 1) < this.#timeOf(left) ? left + 1 : left;
  }

  #timeOf(at: number): number {
    return this.#events[at]?.atMs ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#events[a], this.#events[b]];
    if (one === undefined || other === undefined) return;
    this.#events[a] = other;
    this.#events[b] = one;
  }
}
