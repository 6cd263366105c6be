/** @module A flood of token requests from one peer, and another peer that only wants its credentials. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export const PUT_TOKEN = [
  "PUT /latest/api/token HTTP/1.1",
  "Host: 127.0.0.1",
  "X-aws-ec2-metadata-token-ttl-seconds: 21600",
  "",
  "",
].join("\r\n");

/** Requests on their way at once on each connection, and connections. */
const DEPTH = 10;
const CONNECTIONS = 8;

/** Asks for `count` tokens from `peer`; throws when one of them is not answered with 200. */
export async function flood(port: number, peer: string, count: number): Promise<void> {
  const share = Math.ceil(count / CONNECTIONS / DEPTH) * DEPTH;
  await Promise.all(Array.from({ length: CONNECTIONS }, () => floodOne(port, peer, share)));
}

/** All answers have the same length: the first one is read, the others are counted. */
async function floodOne(port: number, peer: string, count: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: "127.0.0.1", port, localAddress: peer });
  const batch = Buffer.from(PUT_TOKEN.repeat(DEPTH));
  let length = 0;
  let received = 0;
  let left = count;
  socket.on("data", (chunk) => {
    if (length === 0) {
      if (!chunk.toString("latin1").startsWith("HTTP/1.1 200 "))
        reject(new Error(chunk.toString()));
      length = chunk.length;
      socket.write(batch);
      return;
    }
    received += chunk.length;
    if (received < length * DEPTH) return;
    received = 0;
    left -= DEPTH;
    if (left > 0) socket.write(batch);
    else resolve();
  });
  socket.once("error", reject).once("close", () => reject(new Error("the daemon hung up")));
  socket.write(PUT_TOKEN);
  await promise;
  socket.removeAllListeners("close").resetAndDestroy();
}

/** What an SDK gives up after by default. */
const CLIENT_TIMEOUT_MS = 1_000;
const PAUSE_MS = 50;

/** What another peer lived through: how long each round took, and what went wrong. */
export interface Rounds {
  readonly elapsedMs: number[];
  readonly failures: string[];
}

/** Asks as an SDK does from `peer`, a connection a round, until `ended`. */
export async function askMeanwhile(
  port: number,
  peer: string,
  ended: Promise<unknown>,
): Promise<Rounds> {
  const rounds: Rounds = { elapsedMs: [], failures: [] };
  const state = { over: false };
  const finish = () => (state.over = true);
  ended.then(finish, finish);
  while (!state.over) await askOnce(port, peer, rounds);
  return rounds;
}

/** The same, so many times: whatever else was asked before has been dealt with by then. */
export async function askAfterwards(port: number, peer: string, times = 10): Promise<Rounds> {
  const rounds: Rounds = { elapsedMs: [], failures: [] };
  for (let time = 0; time < times; time++) await askOnce(port, peer, rounds);
  return rounds;
}

async function askOnce(port: number, peer: string, rounds: Rounds): Promise<void> {
  const startedMs = performance.now();
  try {
    await round(port, peer);
    rounds.elapsedMs.push(performance.now() - startedMs);
  } catch (error) {
    rounds.failures.push(String(error));
  }
  await sleep(PAUSE_MS);
}

async function round(port: number, peer: string): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: peer });
  socket.on("error", () => undefined);
  try {
    const token = await exchange(socket, PUT_TOKEN);
    const list = "/latest/meta-data/iam/security-credentials/";
    const role = await exchange(socket, getOf(list, token));
    const body = await exchange(socket, getOf(list + role, token));
    if (!body.includes('"Code":"Success"')) throw new Error(`no credentials: ${body}`);
  } finally {
    // Closed in order, each would stay in the kernel's table of sockets for a minute.
    socket.resetAndDestroy();
  }
}

function getOf(target: string, token: string): string {
  const lines = [`GET ${target} HTTP/1.1`, "Host: 127.0.0.1", `x-aws-ec2-metadata-token: ${token}`];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** The body of the answer to one request, within the time that a client would wait. */
async function exchange(socket: Socket, request: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(new Error("no answer within 1 s")), CLIENT_TIMEOUT_MS);
  const onClose = () => reject(new Error("the daemon hung up"));
  let text = "";
  const onData = (chunk: Buffer) => {
    text += chunk.toString("latin1");
    const [head = "", body = ""] = text.split("\r\n\r\n", 2);
    if (body.length < Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Infinity)) return;
    if (head.startsWith("HTTP/1.1 200 ")) resolve(body);
    else reject(new Error(head));
  };
  socket.on("data", onData).once("close", onClose).write(request);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.off("data", onData).off("close", onClose);
  }
}
