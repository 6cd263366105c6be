/** @module What `status` asks a running daemon: its status once, or again whenever it has changed. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { CrossroleError, messageOf } from "../errors.ts";
import type { StatusReport } from "../operations/status.ts";

/** A daemon answers at once; whatever does not is none. */
const TIMEOUT_MS = 5_000;
/** A stream is never silent for longer: its comments say that it lives. */
const SILENCE_MS = 15_000;

const PATH = "/status.json";

/** @throws {@link CrossroleError} `ERR_COMMAND_FAILED` that says who is not there, and what to do. */
export async function fetchStatus(url: URL): Promise<StatusReport> {
  const response = await open(url, "application/json", TIMEOUT_MS);
  return reportIn(await text(response), url);
}

/**
 * The status now, and again whenever it has changed, until the daemon goes away.
 *
 * @yields what the daemon sends
 * @throws {@link CrossroleError} `ERR_COMMAND_FAILED` when it cannot be reached.
 */
export async function* watchStatus(url: URL): AsyncGenerator<StatusReport, void, undefined> {
  const response = await open(url, "text/event-stream", SILENCE_MS);
  let waiting = "";
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) {
      waiting += String(chunk);
      const events = waiting.split("\n\n");
      waiting = events.pop() ?? "";
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) yield reportIn(data, url);
      }
    }
  } catch (error) {
    throw unreachable(url, error);
  }
}

/** By node:http: what `fetch` sends is what browsers send, and the daemon answers no browser here. */
async function open(base: URL, accept: string, timeout: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request(new URL(PATH, base), { headers: { accept }, timeout });
  outgoing
    .once("response", resolve)
    .once("error", (error) => reject(unreachable(base, error)))
    .once("timeout", () => outgoing.destroy(new Error(`no answer within ${timeout / 1_000} s`)))
    .end();
  const response = await promise;
  if (response.statusCode === 200) return response;
  response.resume();
  throw failed(
    `${base.origin} answered ${response.statusCode}: is it the operations address of a crossrole?`,
  );
}

function reportIn(json: string, { origin }: URL): StatusReport {
  try {
    const value: unknown = JSON.parse(json);
    if (isReport(value)) return value;
  } catch {
    // Said below: whatever it is, it is none of crossrole's.
  }
  throw failed(`${origin} is no operations address of a crossrole: what it answers is no status`);
}

function isReport(value: unknown): value is StatusReport {
  if (typeof value !== "object" || value === null) return false;
  const { roles, problems, sts } = { roles: null, problems: null, sts: null, ...value };
  return Array.isArray(roles) && Array.isArray(problems) && typeof sts === "object";
}

function unreachable({ origin }: URL, error: unknown): CrossroleError {
  const message =
    messageOf(error) || (error instanceof Error && "code" in error ? String(error.code) : "");
  return failed(
    `no crossrole answers at ${origin} (${message}): start one with an operations address, or say another --url`,
  );
}

function failed(message: string): CrossroleError {
  return new CrossroleError("ERR_COMMAND_FAILED", message);
}
