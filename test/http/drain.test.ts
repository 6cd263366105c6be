import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { send } from "../../src/http/answer.ts";
import { Drain } from "../../src/http/drain.ts";
import { listen } from "../../src/http/listener.ts";
import type { RunningListener } from "../../src/http/listener.ts";

let listener: RunningListener;
/** Requests for `/held` wait here. */
const held: ServerResponse[] = [];
const agents: Agent[] = [];

beforeEach(async () => {
  listener = await listen({
    host: "127.0.0.1",
    port: 0,
    hosts: () => [],
    onRefused: () => undefined,
    handle: (incoming, response) => {
      if (incoming.url === "/held") held.push(response);
      else send(response, { status: 200, body: "ok" });
    },
  });
});

afterEach(async () => {
  vi.useRealTimers();
  for (const response of held.splice(0)) send(response, { status: 200, body: "late" });
  for (const agent of agents.splice(0)) agent.destroy();
  await listener.close();
});

function keepingAgent(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agents.push(agent);
  return agent;
}

async function ask(agent: Agent | false, path = "/", port = listener.port) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({ host: "127.0.0.1", port, path, agent }, resolve).once("error", reject).end();
  const incoming = await promise;
  const { statusCode, headers } = incoming;
  return { status: statusCode, connection: headers.connection, body: await text(incoming) };
}

async function untilHeld(count: number): Promise<void> {
  await expect.poll(() => held.length).toBe(count);
}

/** Whatever has happened so far was `ms` ago. */
function makeOld(ms: number): void {
  if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ["performance"] });
  vi.advanceTimersByTime(ms);
}

/** A connection that has sent nothing yet. */
async function connected(): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: "127.0.0.1", port: listener.port }, resolve);
  socket.once("error", reject).setEncoding("latin1");
  await promise;
  return socket;
}

/** Everything that comes, until the end. */
async function readAll(socket: Socket): Promise<string> {
  let all = "";
  for await (const chunk of socket) all += String(chunk);
  return all;
}

describe("a listener that closes", () => {
  it("tells a client on a kept connection so, with the answer to its next request", async () => {
    const agent = keepingAgent();
    const before = await ask(agent);
    const closing = listener.close();
    const during = await ask(agent);
    await closing;

    expect(before).toMatchObject({ status: 200, connection: "keep-alive" });
    expect(during).toMatchObject({ status: 200, connection: "close" });
    await expect(ask(agent)).rejects.toThrow("ECONNREFUSED");
  });

  it("tells so whoever has asked before it began to close, and is answered after", async () => {
    const agent = keepingAgent();
    const asked = ask(agent, "/held");
    await untilHeld(1);
    const closing = listener.close();

    const [response] = held.splice(0);
    if (response !== undefined) send(response, { status: 200, body: "late" });

    expect(await asked).toEqual({ status: 200, connection: "close", body: "late" });
    await closing;
  });

  it("answers whoever comes while a connection is in use: nobody else may be there yet", async () => {
    const idle = await connected();
    const asked = ask(false, "/held");
    await untilHeld(1);
    makeOld(10_000);
    const closing = listener.close();
    await readAll(idle);

    const during = await ask(keepingAgent());
    for (const response of held.splice(0)) send(response, { status: 200, body: "late" });
    await closing;

    expect(during).toEqual({ status: 200, connection: "close", body: "ok" });
    expect(await asked).toMatchObject({ status: 200, body: "late" });
    await expect(ask(false)).rejects.toThrow("ECONNREFUSED");
  });

  it("keeps a connection whose answer was long in coming: it has only just been used", async () => {
    const agent = keepingAgent();
    const idle = await connected();
    const asked = ask(agent, "/held");
    await untilHeld(1);
    makeOld(10_000);
    for (const response of held.splice(0)) send(response, { status: 200, body: "late" });
    await asked;
    const closing = listener.close();
    await readAll(idle);

    expect(await ask(agent)).toMatchObject({ status: 200, connection: "close" });
    await closing;
  });

  it("answers a connection that was made a while ago, and whose client has been held up since", async () => {
    const idle = await connected();
    await ask(false);
    makeOld(10_000);
    const socket = await connected();
    await ask(false);
    makeOld(1_000);
    const closing = listener.close();
    await readAll(idle);
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await closing;
  });

  it("answers a connection that was made in the very turn in which it begins to close", async () => {
    // Time stands still: no turn of the event loop takes long.
    makeOld(0);
    await ask(false);
    const socket = connect({ host: "127.0.0.1", port: listener.port });
    await new Promise((resolve) => {
      process.nextTick(resolve);
    });
    const closing = listener.close();
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await closing;
  });

  it("answers every connection that was made before, accepted or not", async () => {
    const asked = Array.from({ length: 100 }, () => connected());
    const sockets = await Promise.all(asked);
    const closing = listener.close();
    for (const socket of sockets) socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

    const answers = await Promise.all(sockets.map((socket) => readAll(socket)));
    await closing;

    expect(new Set(answers.map((answer) => answer.split("\r\n")[0]))).toEqual(
      new Set(["HTTP/1.1 200 OK"]),
    );
  });

  it("closes a connection that nobody uses, in order", async () => {
    const socket = await connected();
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const read = readAll(socket);

    await listener.close();

    expect(await read).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(socket.errored).toBeNull();
  });

  it("waits 3 s at most for an answer that nobody gives", async () => {
    const asked = ask(false, "/held").catch((error: unknown) => String(error));
    await untilHeld(1);

    await listener.close();

    expect(await asked).toContain("socket hang up");
  });

  it("is closed twice without harm", async () => {
    await Promise.all([listener.close(), listener.close()]);

    await expect(ask(false)).rejects.toThrow("ECONNREFUSED");
  });
});

describe("a listener that closes while another process holds its socket too", () => {
  it("leaves whoever comes to that process at once, and answers whoever has asked", async () => {
    const server = createServer((_, response) => held.push(response));
    const drain = new Drain(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const asked = ask(keepingAgent(), "/", port);
    await untilHeld(1);
    const closing = drain.close("behind");

    // Here it is held by nobody else: what waits for that process is refused.
    await expect(ask(false, "/", port)).rejects.toThrow("ECONNREFUSED");
    for (const response of held.splice(0)) send(response, { status: 200, body: "late" });
    await closing;

    expect(await asked).toEqual({ status: 200, connection: "close", body: "late" });
  });
});

describe("a listener that pauses", () => {
  it("closes each connection as it comes, and answers again when it goes on", async () => {
    await listener.pause();
    await expect(ask(false)).rejects.toThrow(/socket hang up|ECONNRESET/);

    listener.resume();

    expect(await ask(false)).toMatchObject({ status: 200, body: "ok" });
  });

  it("answers as ever on connections that were made after", async () => {
    await listener.pause();
    listener.resume();
    const agent = keepingAgent();

    await ask(agent);

    expect(await ask(agent)).toMatchObject({ status: 200, connection: "keep-alive" });
  });
});
