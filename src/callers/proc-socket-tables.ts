/** @module Reads the kernel's socket tables: short ones here, long ones on a thread of their own. */
import { access, open } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import type { ReadSocketTables } from "./local-user.ts";
import { TCP, TCP6 } from "./socket-table.ts";
import type { SocketTables } from "./socket-table.ts";

/**
 * The kernel hands a table out in pieces of a page, each of them a turn of the event loop here: a
 * table of thousands of rows, read under load, would keep a caller waiting for seconds.
 */
const PIECE_BYTES = 4_096;
const MAX_PIECES = 16;

/** Reads the tables, until it is closed. */
export type ProcSocketTables = ReadSocketTables & {
  /** Ends the thread. */
  readonly close: () => Promise<void>;
};

/**
 * The kernel's tables, or undefined on a platform that has none (macOS).
 *
 * One reading at a time: connections that arrive during one share the next, so that a thousand of
 * them cost two.
 */
export async function procSocketTables(): Promise<ProcSocketTables | undefined> {
  const hasTables = await access(TCP).then(
    () => true,
    () => false,
  );
  if (!hasTables) return undefined;
  const thread = threadReader();
  const read = shared(async () => {
    const [tcp, tcp6] = await Promise.all([readShort(TCP), readShort(TCP6)]);
    return tcp === undefined || tcp6 === undefined ? await thread.read() : { tcp, tcp6 };
  });
  return Object.assign(read, { close: thread.close });
}

/** The table at `path`, or undefined when it is a long one. */
async function readShort(path: string): Promise<string | undefined> {
  // A kernel without IPv6 has no tcp6; without either nobody can be told, and nobody is answered.
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return "";
  try {
    let table = "";
    for (let piece = 0; piece < MAX_PIECES; piece++) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(PIECE_BYTES));
      if (bytesRead === 0) return table;
      table += buffer.toString("latin1", 0, bytesRead);
    }
    return undefined;
  } catch {
    return "";
  } finally {
    await file.close();
  }
}

/** Reads both tables on a thread, which is started at the first reading and keeps nobody alive. */
function threadReader() {
  let worker: Worker | undefined;
  const read = async (): Promise<SocketTables> => {
    worker ??= startWorker();
    try {
      return await readOn(worker);
    } catch (error) {
      worker = undefined;
      throw error;
    }
  };
  const close = async () => void (await worker?.terminate());
  return { read, close };
}

async function readOn(worker: Worker): Promise<SocketTables> {
  const { promise, resolve, reject } = Promise.withResolvers<SocketTables>();
  const tables: string[] = [];
  // It answers with a table at a time, as bytes: text would be garbage on either side.
  const take = (bytes: Uint8Array) => {
    tables.push(Buffer.from(bytes.buffer).toString("latin1"));
    const [tcp, tcp6] = tables;
    if (tcp !== undefined && tcp6 !== undefined) resolve({ tcp, tcp6 });
  };
  worker.on("message", take).once("error", reject);
  worker.postMessage("read");
  try {
    return await promise;
  } finally {
    worker.off("message", take).off("error", reject);
  }
}

function startWorker(): Worker {
  // The file beside this one, from source and as it is built.
  const name = import.meta.url.endsWith(".ts")
    ? "socket-table-worker.ts"
    : "socket-table-worker.js";
  const worker = new Worker(new URL(name, import.meta.url), {
    // It holds one buffer, outside of its heap.
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
  });
  worker.unref();
  return worker;
}

/** `read`, with what arrives while it runs put together into one run behind it. */
function shared<T>(read: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const start = () => {
    next = undefined;
    current = read().finally(() => {
      current = undefined;
    });
    return current;
  };
  return () => {
    if (current === undefined) return start();
    next ??= current.then(start, start);
    return next;
  };
}
