/** @module Bodies of answers, bounded: whole ones, and lines as they arrive. */
import { CrossroleError } from "../errors.ts";

/** Of one answer: a page of pods is a tenth of it. */
const MAX_BODY_BYTES = 16 * 1_024 * 1_024;
/** Of one line of a watch: etcd holds 1.5 MiB an object, and JSON may spell a byte with six. */
const MAX_LINE_BYTES = 16 * 1_024 * 1_024;

const NEWLINE = 10;

/** An answer that is over its bound; a smaller one may be asked for. */
export class TooLargeError extends CrossroleError {
  constructor(what: string, bytes: number) {
    super("ERR_KUBERNETES_UNAVAILABLE", `${what} of the API server has over ${bytes} bytes`);
  }
}

/** @throws {@link TooLargeError} */
export async function wholeBody(
  chunks: AsyncIterable<Buffer>,
  maxBytes = MAX_BODY_BYTES,
): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw new TooLargeError("an answer", maxBytes);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

/**
 * The lines that end with a newline. What stands behind the last one was cut off, and is nobody's.
 * Bytes are put together before they become text: a character may lie across two chunks.
 *
 * @yields each line, without its newline
 * @throws {@link TooLargeError}
 */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString("utf8");
      parts = [];
      size = 0;
      start = end + 1;
    }
    size += chunk.length - start;
    if (size > maxBytes) throw new TooLargeError("a line", maxBytes);
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
}

/** @throws {@link CrossroleError} that never quotes what it could not read. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const message = "what answers at the API server's address is none: it sent no JSON";
    throw new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message);
  }
}
