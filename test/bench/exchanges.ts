/** @module The load of clients that start: token, list, credentials, on connections that nobody has used before. */
import { openConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { stayAwake } from "./loads.ts";
import type { Counted } from "./loads.ts";

/** What stands for the token in a request that needs one. */
export const TOKEN = "METADATA-TOKEN";

export interface ExchangeLoad {
  readonly port: number;
  /** In their order; the token that the first is answered with goes into the others. */
  readonly requests: readonly string[];
  /** What the last is answered with, but for its head. */
  readonly body: string;
  /** Each has one exchange at a time. */
  readonly clients: number;
  /** Whether each request has a connection of its own, as where nobody keeps one alive. */
  readonly isConnectionPerRequest: boolean;
  readonly ms: number;
}

export async function exchanges(load: ExchangeLoad): Promise<Counted> {
  const counts = { answers: 0, failed: 0 };
  const startMs = performance.now();
  const client = async () => {
    do {
      const isRight = await exchange(load);
      counts.answers++;
      if (!isRight) counts.failed++;
    } while (performance.now() < startMs + load.ms);
  };
  using _ = stayAwake();
  await Promise.all(Array.from({ length: load.clients }, client));
  return { ...counts, elapsedMs: performance.now() - startMs };
}

async function exchange(load: ExchangeLoad): Promise<boolean> {
  const { port, requests, isConnectionPerRequest } = load;
  let connection: Connection | undefined;
  let token = "";
  let body = "";
  for (const request of requests) {
    if (isConnectionPerRequest) connection?.reset();
    if (isConnectionPerRequest || connection === undefined) connection = await openConnection(port);
    const { status, bytes } = await connection.ask(request.replace(TOKEN, token));
    if (status !== 200) return false;
    body = bytes.toString("latin1").split("\r\n\r\n")[1] ?? "";
    token ||= body;
  }
  connection?.reset();
  return body === load.body;
}
