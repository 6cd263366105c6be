/** @module What tests of the operations listener share. */
import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import type { StatusReport } from "../../src/operations/status.ts";
import { request } from "../support/http.ts";

/** Every sample of /metrics by name and labels, as Prometheus reads them. */
export async function samplesAt(operations: string): Promise<ReadonlyMap<string, number>> {
  const { body } = await request(operations, "/metrics");
  return samplesIn(body);
}

function samplesIn(exposition: string): ReadonlyMap<string, number> {
  return new Map(
    exposition
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))] as const;
      }),
  );
}

export async function statusAt(operations: string): Promise<StatusReport> {
  const { body } = await request(operations, "/status.json");
  return JSON.parse(body) as StatusReport;
}

/** A stream of server-sent events, with what has come so far. */
export class EventsOf implements AsyncDisposable {
  readonly response: IncomingMessage;
  text = "";
  ended = false;

  private constructor(response: IncomingMessage) {
    this.response = response;
    response
      .setEncoding("utf8")
      .on("data", (chunk: string) => (this.text += chunk))
      .on("close", () => (this.ended = true))
      .on("error", () => undefined);
  }

  static async open(url: string, path: string, headers = {}): Promise<EventsOf> {
    const outgoing = get(new URL(path, url), { headers, agent: false });
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    return new EventsOf(response);
  }

  /** The data of every event, read as JSON. */
  get data(): Record<string, unknown>[] {
    return [...this.text.matchAll(/^data: (.*)$/gm)].map(
      ([, json = ""]) => JSON.parse(json) as Record<string, unknown>,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.response.destroy();
    await Promise.resolve();
  }
}
