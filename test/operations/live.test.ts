import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Live } from "../../src/operations/live.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A response that keeps what is written to it. */
class Written extends EventEmitter {
  text = "";
  writableLength = 0;
  isDestroyed = false;
  writeHead(): void {
    // Looked at elsewhere.
  }
  write(text: string): void {
    this.text += text;
  }
  end(): void {
    this.emit("close");
  }
  destroy(): void {
    this.isDestroyed = true;
    this.emit("close");
  }
}

function attach(live: Live, render: () => string): Written {
  const response = new Written();
  live.attach(response as unknown as ServerResponse, { event: "page", render });
  return response;
}

describe("a stream", () => {
  it("sends what is so at once, what has changed a second later, and nothing twice", () => {
    let shown = '"one"';
    const response = attach(new Live(), () => shown);
    vi.advanceTimersByTime(3_000);
    shown = '"two"';
    vi.advanceTimersByTime(1_000);

    expect(response.text).toBe('event: page\ndata: "one"\n\nevent: page\ndata: "two"\n\n');
  });

  it("says that it lives while nothing changes, before anybody takes it for dead", () => {
    const response = attach(new Live(), () => '"same"');
    vi.advanceTimersByTime(20_000);

    expect(response.text.split("\n\n").filter((one) => one === ":").length).toBeGreaterThanOrEqual(
      4,
    );
  });

  it("is rendered once for all who watch, and for nobody at all not", () => {
    const render = vi.fn<() => string>(() => '"same"');
    const live = new Live();
    const channel = { event: "page", render };
    const responses = [new Written(), new Written(), new Written()];
    for (const one of responses) live.attach(one as unknown as ServerResponse, channel);
    const first = render.mock.calls.length;
    vi.advanceTimersByTime(5_000);
    expect(render.mock.calls.length - first).toBe(5);

    for (const one of responses) one.end();
    vi.advanceTimersByTime(60_000);
    expect(render.mock.calls.length - first).toBe(5);
  });

  it("takes a fiftieth of the time at most, however long it takes to render", () => {
    let nowMs = 0;
    vi.spyOn(performance, "now").mockImplementation(() => nowMs);
    const render = vi.fn<() => string>(() => {
      nowMs += 60;
      return '"slow"';
    });
    attach(new Live(), render);
    vi.advanceTimersByTime(31_000);

    // At once, after a second, and every three seconds from then on.
    expect(render.mock.calls.length).toBe(12);
  });

  it("ends for whoever reads nothing", () => {
    let count = 0;
    const response = attach(new Live(), () => String(count++));
    response.writableLength = 9_000_000;
    vi.advanceTimersByTime(1_000);

    expect(response.isDestroyed).toBe(true);
  });

  it("is not begun once the daemon ends", () => {
    const live = new Live();
    live.close();

    expect(attach(live, () => "1").text).toBe("");
  });
});
