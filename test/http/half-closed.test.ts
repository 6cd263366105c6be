/** Clients that end their side once they have asked, such as `nc -N`: they wait for the answer all the same. */
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { send } from "../../src/http/answer.ts";
import { listen } from "../../src/http/listener.ts";
import type { RunningListener } from "../../src/http/listener.ts";
import { Live } from "../../src/operations/live.ts";

const GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

const live = new Live();
let listener: RunningListener;
/** Every request waits here. */
const held: ServerResponse[] = [];

beforeEach(async () => {
  held.length = 0;
  listener = await listen({
    host: "127.0.0.1",
    port: 0,
    hosts: () => [],
    onRefused: () => undefined,
    handle: ({ url }, response) => {
      if (url === "/live") live.attach(response, { event: "status", render: () => "{}" });
      else held.push(response);
    },
  });
});

afterEach(() => listener.close());

/** Sends `raw` and the end of its side at once; resolves with all that comes until the other side's end. */
function sendAndEnd(raw: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: listener.port, allowHalfOpen: true });
  socket.end(raw, "latin1");
  return text(socket);
}

async function answerHeld(count: number): Promise<void> {
  await expect.poll(() => held.length).toBe(count);
  for (const response of held) send(response, { status: 200, body: "ok" });
}

describe("a client that ends its side with its request", () => {
  it("is answered though the answer takes its time, and then closed", async () => {
    const asked = sendAndEnd(GET);
    await expect.poll(() => held.length).toBe(1);
    // By now its end has arrived, whichever came first.
    await sendAndEnd("");
    await answerHeld(1);
    expect(await asked).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/);
  });

  it("gets the answers to all that it has asked", async () => {
    const asked = sendAndEnd(GET + GET);
    await answerHeld(2);
    expect((await asked).split("HTTP/1.1 200 OK")).toHaveLength(3);
  });

  it("is closed at once when it has asked for nothing, or for half of something", async () => {
    expect(await sendAndEnd("")).toBe("");
    expect(await sendAndEnd("GET / HT")).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("is no watcher any more", async () => {
    const watched = await sendAndEnd(GET.replace("/ ", "/live "));
    // One that goes on is sent a comment after a while.
    expect(watched).toContain("data: {}");
    expect(watched).not.toContain("\n:\n");
  });

  it("does not keep a listener that closes longer than any other", async () => {
    const asked = sendAndEnd(GET).catch((error: unknown) => String(error));
    await expect.poll(() => held.length).toBe(1);
    await listener.close();
    expect(await asked).not.toContain("HTTP/1.1");
  });

  it("is cut when nobody answers it", async () => {
    const asked = sendAndEnd(GET).catch(() => "");
    expect(await asked).toBe("");
    expect(held).toHaveLength(1);
  }, 30_000);
});
