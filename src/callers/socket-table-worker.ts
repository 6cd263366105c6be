/** @module The thread that reads long socket tables, whole, while the event loop goes on answering. */
import { readFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { TCP, TCP6 } from "./socket-table.ts";
import type { SocketTables } from "./socket-table.ts";

parentPort?.on("message", () => {
  const tables: SocketTables = { tcp: read(TCP), tcp6: read(TCP6) };
  parentPort?.postMessage(tables);
});

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // A kernel without IPv6 has no tcp6.
    return "";
  }
}
