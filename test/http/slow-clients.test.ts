/** @module Threat S31: clients that are slow on purpose. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listen } from "../../src/http/listener.ts";
import type { RunningListener } from "../../src/http/listener.ts";

const CRLF = "\r\n";
const HOST = "Host: 127.0.0.1";

/** How many requests have reached the handler. */
const handled = { unread: 0 };
let server: RunningListener;

beforeAll(async () => {
  server = await listen({
    host: "127.0.0.1",
    port: 0,
    hosts: () => [],
    onRefused: () => undefined,
    handle: (request, response) => {
      if (request.url === "/unread") handled.unread++;
      response.writeHead(200, { "Content-Length": 2 }).end("ok");
    },
  });
});

afterAll(() => server.close());

function bytes(...lines: readonly string[]): string {
  return `${lines.join(CRLF)}${CRLF}${CRLF}`;
}

describe("what comes slowly or not at all is cut after 5 s", { concurrent: true }, () => {
  const head = `GET / HTTP/1.1${CRLF}${HOST}${CRLF}`;

  it.each([
    [
      "headers, a piece a second",
      [head, "X-1: x\r\n", "X-2: x\r\n", "X-3: x\r\n", "X-4: x\r\n"],
      ["408"],
    ],
    ["headers that stop in the middle", [head], ["408"]],
    ["a second request that stops", [bytes("GET / HTTP/1.1", HOST), "GET / HT"], ["200", "408"]],
    [
      "a chunked body that never ends",
      [bytes("PUT / HTTP/1.1", HOST, "Transfer-Encoding: chunked")],
      ["408"],
    ],
    ["nothing at all", [], ["408"]],
  ])("%s", async (_, pieces, statuses) => {
    const { text, elapsedMs } = await sendSlowly(pieces);
    expect([...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status)).toEqual(statuses);
    expect(elapsedMs).toBeGreaterThan(4_500);
    // Far more than a busy machine adds, and far less than nobody's cutting it.
    expect(elapsedMs).toBeLessThan(30_000);
  });
});

describe("a client that never reads its answers", () => {
  it("is read no further, and cut after 10 s", async () => {
    const socket = connect({ host: "127.0.0.1", port: server.port });
    socket.on("error", () => undefined).pause();
    const flood = bytes("GET /unread HTTP/1.1", HOST).repeat(200_000);
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once("close", () => resolve());
    socket.write(flood, "latin1");
    await promise;
    expect(handled.unread).toBeLessThan(150_000);
  });
});

/** One piece a second, then nothing, until the server ends it. */
async function sendSlowly(pieces: readonly string[]) {
  const startedMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<void>();
  let text = "";
  const socket = connect({ host: "127.0.0.1", port: server.port });
  socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => undefined).on("close", () => resolve());
  const left = [...pieces];
  const timer = setInterval(() => socket.write(left.shift() ?? "", "latin1"), 1_000);
  socket.write(left.shift() ?? "", "latin1");
  await promise;
  clearInterval(timer);
  return { text, elapsedMs: performance.now() - startedMs };
}
