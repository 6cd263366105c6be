/** @module The thread that reads long socket tables, whole, while the event loop goes on answering. */
import { closeSync, openSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { TCP, TCP6 } from "./socket-table.ts";

/** One buffer for all readings: a table is a megabyte, and nobody would collect it in time. */
let buffer = Buffer.alloc(1 << 20);

parentPort?.on("message", () => {
  for (const path of [TCP, TCP6]) {
    const bytes = read(path);
    // Handed over and not copied: nothing of it stays here.
    parentPort?.postMessage(bytes, [bytes.buffer]);
  }
});

function read(path: string): Uint8Array<ArrayBuffer> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    // A kernel without IPv6 has no tcp6.
    return new Uint8Array();
  }
  try {
    let length = 0;
    for (;;) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      if (count === 0) return Uint8Array.from(buffer.subarray(0, length));
      length += count;
      if (length === buffer.length) buffer = Buffer.concat([buffer], length * 2);
    }
  } finally {
    closeSync(file);
  }
}
