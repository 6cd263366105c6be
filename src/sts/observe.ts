/** @module What is seen of a request while the SDK makes it. */
import { AsyncLocalStorage } from "node:async_hooks";
import type * as Sdk from "@aws-sdk/client-sts";
import type { Exchange } from "./clock-skew.ts";

/** A request to STS, as far as it has come. */
interface Seen extends Exchange {
  /** What was asked for, in the SDK's own word, whoever made the request. */
  operation: string;
  sentMs: number;
  receivedMs: number;
  date: string | undefined;
}

const current = new AsyncLocalStorage<Seen>();

/** Has `ask` called; what its one request was, and when, is in `seen` as soon as it is known. */
export function observed<T>(ask: () => Promise<T>): {
  readonly seen: Seen;
  readonly said: Promise<T>;
} {
  const nowMs = Date.now();
  const seen: Seen = { operation: "other", sentMs: nowMs, receivedMs: nowMs, date: undefined };
  return { seen, said: current.run(seen, ask) };
}

/** Notes of each request of `client` what it asks for, when it went out and what the answer, good or bad, was dated. */
export function observe(client: Sdk.STSClient): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const seen = current.getStore();
        if (seen === undefined) return await next(args);
        seen.operation = commandName?.replace(/Command$/, "") ?? seen.operation;
        seen.sentMs = Date.now();
        const result = await next(args);
        seen.receivedMs = Date.now();
        seen.date = dateHeaderOf(result.response);
        return result;
      },
    // The innermost step: it sees answers that the deserializer turns into errors.
    { step: "deserialize", priority: "low", name: "crossroleObserved" },
  );
}

function dateHeaderOf(response: unknown): string | undefined {
  if (typeof response !== "object" || response === null || !("headers" in response))
    return undefined;
  const { headers } = response;
  if (typeof headers !== "object" || headers === null || !("date" in headers)) return undefined;
  return typeof headers.date === "string" ? headers.date : undefined;
}
