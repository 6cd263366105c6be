/** @module Requests as clients send them: the target as it stands, and raw bytes. */
import { request as httpRequest } from "node:http";
import type { Agent, IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** The address it comes from. Default: the system's choice. */
  readonly from?: string | undefined;
  /** Whose connections are used. Default: one of its own. */
  readonly agent?: Agent | undefined;
}

/** One request, on a connection of its own unless there is an agent; `target` goes out byte for byte. */
export async function request(
  baseUrl: string,
  target: string,
  { method = "GET", headers = {}, from, agent }: RequestOptions = {},
): Promise<Response> {
  const { hostname, port } = new URL(baseUrl);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = httpRequest(
    {
      host: hostname.replace(/^\[|\]$/g, ""),
      port,
      path: target,
      method,
      headers: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, v as string])),
      agent: agent ?? false,
      ...(from === undefined ? {} : { localAddress: from }),
    },
    (incoming) => {
      buffer(incoming).then(
        (body) =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: body.toString("utf8"),
          }),
        reject,
      );
    },
  );
  outgoing.once("error", reject).end();
  return await promise;
}

/** A metadata token, as `PUT /latest/api/token` gives it. */
export async function tokenFrom(
  baseUrl: string,
  ttlSeconds = 21_600,
  from?: string,
): Promise<string> {
  const { body } = await request(baseUrl, "/latest/api/token", {
    method: "PUT",
    from,
    headers: { "X-aws-ec2-metadata-token-ttl-seconds": String(ttlSeconds) },
  });
  return body;
}

export interface RawAnswer {
  /** Everything that came back. */
  readonly text: string;
  /** Whether the server closed the connection, rather than the time-out. */
  readonly closed: boolean;
}

/** Sends bytes as they are and reads until the server closes, or for `waitMs`. */
export async function sendRaw(
  { host = "127.0.0.1", port }: { host?: string; port: number },
  bytes: string,
  waitMs = 1_000,
): Promise<RawAnswer> {
  const { promise, resolve } = Promise.withResolvers<RawAnswer>();
  let text = "";
  const socket = connect({ host, port }, () => socket.write(bytes, "latin1"));
  const timer = setTimeout(() => {
    resolve({ text, closed: false });
    socket.destroy();
  }, waitMs);
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => {
    clearTimeout(timer);
    resolve({ text, closed: true });
  });
  return await promise;
}
