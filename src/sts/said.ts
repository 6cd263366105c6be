/** @module What an error says, on one line, and without the secrets that the SDK's errors carry along. */
import { messageOf } from "../errors.ts";

/** Names that say nothing beyond the message. */
const UNTELLING: ReadonlySet<string> = new Set([
  "Error",
  "AggregateError",
  "CredentialsProviderError",
  "CrossroleError",
  "ProviderError",
  "SyntaxError",
  "TokenProviderError",
  "TypeError",
  "Unknown",
]);

/**
 * The error's name and words on one line, at most 600 characters of them; the HTTP status too, where
 * the name says less.
 *
 * @param secret what was sent and must not come back: AWS quotes a value that it does not like
 */
export function saidBy(error: unknown, secret?: string): string {
  const name = UNTELLING.has(nameOf(error)) ? "" : nameOf(error);
  const status = statusOf(error) ?? 0;
  const isTelling = name !== "" && status < 500;
  const words = wordsOf(error, secret);
  return [status === 0 || isTelling ? "" : `HTTP ${status}`, name, words]
    .filter((part) => part !== "")
    .join(": ");
}

/**
 * `error` as a cause to keep: its name, words and stack, and none of its fields. An error of the SDK
 * holds the whole response of STS, credentials and all; one of a child process its command and what
 * it printed.
 */
export function causeOf(error: unknown, secret?: string): Error {
  const cause = new Error(wordsOf(error, secret));
  cause.name = nameOf(error);
  const frames = error instanceof Error ? (error.stack?.match(/^ {4}at .*$/gm) ?? []) : [];
  cause.stack = [`${cause.name}: ${cause.message}`, ...frames].join("\n");
  return cause;
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** The HTTP status of the answer, when there was one. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("$metadata" in error)) return undefined;
  const { $metadata: metadata } = error;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) {
    return undefined;
  }
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}

function wordsOf(error: unknown, secret: string | undefined): string {
  // JSON.parse quotes what it could not read, and that may be a key.
  if (error instanceof SyntaxError) return "the answer is not JSON";
  const message = messageOf(error);
  const words = message === "" || message === "Unknown" ? systemCodeOf(error) : message;
  const known = secret === undefined || secret === "" ? words : words.replaceAll(secret, "…");
  return (
    known
      // Node's message of a child process holds its whole command line and its stderr.
      .replace(/Command failed: .*/s, "the command failed")
      .replace(/\s*Deserialization error: to see the raw response.*/s, "")
      .replaceAll(/[\s\p{Cc}]+/gu, " ")
      .trim()
      .slice(0, 600)
  );
}

function systemCodeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
