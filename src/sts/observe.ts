/** @module What is seen of a request while the SDK makes it. */
import type * as Sdk from "@aws-sdk/client-sts";
import type { Exchange } from "./clock-skew.ts";

/** Notes when the request of `client` went out and what the answer, good or bad, was dated. */
export function observe(client: Sdk.STSClient): () => Exchange {
  const seen = {
    sentMs: Date.now(),
    receivedMs: Date.now(),
    date: undefined as string | undefined,
  };
  client.middlewareStack.add(
    (next) => async (args) => {
      seen.sentMs = Date.now();
      const result = await next(args);
      seen.receivedMs = Date.now();
      seen.date = dateHeaderOf(result.response);
      return result;
    },
    // The innermost step: it sees answers that the deserializer turns into errors.
    { step: "deserialize", priority: "low", name: "crossroleClockSkew" },
  );
  return () => seen;
}

/** Notes what `client` is told to do, in the SDK's own word, whoever made the request. */
export function observeOperation(client: Sdk.STSClient): () => string {
  let operation = "other";
  client.middlewareStack.add(
    (next, { commandName }) => {
      operation = commandName?.replace(/Command$/, "") ?? operation;
      return next;
    },
    { step: "initialize", name: "crossroleOperation" },
  );
  return () => operation;
}

function dateHeaderOf(response: unknown): string | undefined {
  if (typeof response !== "object" || response === null || !("headers" in response))
    return undefined;
  const { headers } = response;
  if (typeof headers !== "object" || headers === null || !("date" in headers)) return undefined;
  return typeof headers.date === "string" ? headers.date : undefined;
}
