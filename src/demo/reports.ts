/** @module What the daemon and the application write, line by line, as events. */
import * as z from "zod";
import { GATEWAY, READER } from "./events.ts";
import type { DemoEvent } from "./events.ts";

const entry = z.object({
  level: z.string(),
  msg: z.string(),
  roleArn: z.string().optional(),
  accessKeyId: z.string().optional(),
  expiration: z.string().optional(),
  remainingSeconds: z.number().optional(),
  retryInSeconds: z.number().optional(),
  reason: z.string().optional(),
});

const report = z.union([
  z.object({ account: z.string(), accessKeyId: z.string() }),
  z.object({ error: z.string() }),
]);

/** An event of a line of the daemon's log (stderr), if it is of interest. */
export function eventOfLog(line: string, atMs: number): DemoEvent | undefined {
  const parsed = entry.safeParse(jsonOf(line));
  // Whatever is not a line of its log is a complaint of Node's own.
  if (!parsed.success) return { type: "said", text: line, atMs };
  const { level, msg, roleArn, accessKeyId = "", expiration = "", reason } = parsed.data;
  const role = [GATEWAY, READER].find(({ arn }) => arn === roleArn)?.name;
  const renewal = msg === "credentials renewed";
  if (role !== undefined && (renewal || msg === "credentials obtained")) {
    const expirationMs = Date.parse(expiration);
    return { type: "obtained", role, accessKeyId, expirationMs, renewal, atMs };
  }
  if (role !== undefined && msg === "renewal failed, still serving") {
    const { remainingSeconds = 0, retryInSeconds = 0 } = parsed.data;
    return { type: "renewalFailed", role, remainingSeconds, retryInSeconds, atMs };
  }
  if (level !== "warn" && level !== "error") return undefined;
  const words = [role, msg, reason].filter((part) => part !== undefined);
  return { type: "said", text: words.join(": "), atMs };
}

/** An event of a line that the daemon writes to stdout. */
export function eventOfOutput(line: string, atMs: number): DemoEvent | undefined {
  const endpoint = /^export AWS_EC2_METADATA_SERVICE_ENDPOINT=(\S+)$/.exec(line)?.[1];
  return endpoint === undefined ? undefined : { type: "serving", endpoint, atMs };
}

/** An event of a line that the application writes to stdout. */
export function eventOfReport(line: string, atMs: number): DemoEvent {
  const parsed = report.safeParse(jsonOf(line));
  if (!parsed.success) return { type: "requestFailed", error: line, atMs };
  return "error" in parsed.data
    ? { type: "requestFailed", error: parsed.data.error, atMs }
    : { type: "requested", ...parsed.data, atMs };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
