/** @module Starts and closes crossrole by the library of its argument, and says what was open when. */
import { createHook } from "node:async_hooks";
import { get } from "node:http";
// Opens the three streams, which stay: whoever imports it first does.
import { stdout } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type * as library from "../../src/library.ts";
import type { LeftBehind } from "./left-behind.ts";

/**
 * Timers that end by themselves are let end: Node keeps the text of `Date` for a second, and the SDK
 * gives its search for a region one second.
 */
const PATIENCE_MS = 3_000;
const PAUSE_MS = 100;

/** What waits for time, for a peer, or for another thread. */
const HANDLES: ReadonlySet<string> = new Set([
  "Timeout",
  "TCPSERVERWRAP",
  "TCPWRAP",
  "PIPEWRAP",
  "PROCESSWRAP",
  "FSEVENTWRAP",
  "STATWATCHER",
  "WORKER",
]);

const alive = new Map<number, string>();
let isOurs = false;
const hook = createHook({
  init: (id, type) => {
    if (HANDLES.has(type) && !isOurs) alive.set(id, type);
  },
  destroy: (id) => alive.delete(id),
});

const { library: file, ...options } = JSON.parse(process.argv[2] ?? "{}");
const { startCrossrole }: typeof library = await import(pathToFileURL(file).href);
const before = process.getActiveResourcesInfo();
hook.enable();
const crossrole = await startCrossrole(options);
await ask(`${crossrole.url}/latest/meta-data/`);
const open = handles();
await crossrole.close();
const left = await whatStays();
const result: LeftBehind = { open, left, keepingAlive: keepingAlive() };
stdout.write(JSON.stringify(result));

/** On a connection that is kept for nobody. */
async function ask(url: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      response.resume().once("close", resolve);
    }).once("error", reject);
  });
}

async function whatStays(): Promise<string[]> {
  const endMs = performance.now() + PATIENCE_MS;
  while (handles().length > 0 && performance.now() < endMs) {
    isOurs = true;
    const pause = delay(PAUSE_MS);
    isOurs = false;
    await pause;
  }
  return handles();
}

function handles(): string[] {
  return [...alive.values()].toSorted();
}

function keepingAlive(): string[] {
  const known = [...before];
  return process.getActiveResourcesInfo().filter((name) => {
    const at = known.indexOf(name);
    if (at !== -1) known.splice(at, 1);
    return at === -1;
  });
}
