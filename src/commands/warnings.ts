/** @module What Node warns of: lines of the log, which is read by programs, and never Node's own text. */
import type { Log } from "../log.ts";

/** What was warned of before there was a log. */
const held: Error[] = [];
let tell = (warning: Error): void => void held.push(warning);

/** Takes warnings over from Node, unless it was told to keep them to itself (`NODE_NO_WARNINGS`). */
export function takeWarnings(): void {
  if (process.listenerCount("warning") === 0) return;
  process.removeAllListeners("warning");
  process.on("warning", (warning) => tell(warning));
}

/** From now on they are lines of `log`, with those there were already. */
export function logWarnings(log: Log): void {
  tell = (warning) => {
    const { name, message } = warning;
    const code = "code" in warning ? String(warning.code) : undefined;
    log.warn("Node warns", { warning: name, code, reason: message });
  };
  for (const warning of held.splice(0)) tell(warning);
}

/** At the end of a command that had no log: one line each. */
export function heldWarnings(): string[] {
  return held.splice(0).map(({ name, message }) => {
    return `Node warns: ${name}: ${message.replaceAll(/\s+/g, " ")}`;
  });
}
