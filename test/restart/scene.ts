/**
 * @module One way to restart or reload a daemon, many times under load. Prints what became of the requests.
 *
 * node scene.ts WAY TIMES REQUESTS_PER_SECOND
 */
import { readdir, rename, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { freePort } from "../support/free-port.ts";
import { request, tokenFrom } from "../support/http.ts";
import { memoryDirectory } from "../support/memory.ts";
import type { MemoryDirectory } from "../support/memory.ts";
import { SingleDaemon, SocketDaemon } from "./daemons.ts";
import type { DaemonOptions } from "./daemons.ts";
import { Load } from "./load.ts";
import type { Report } from "./load.ts";

/** How a daemon comes to be another one, or has another configuration. */
export const WAYS = ["socket-sigterm", "socket-sigkill", "overlap", "sighup"] as const;
export type Way = (typeof WAYS)[number];

/** What a scene prints. */
export interface Outcome extends Report {
  /** How often STS was asked for the role that all clients want. */
  readonly stsCalls: number;
  /** The end of what the last daemon has printed, for whoever looks for a reason. */
  readonly output: string;
}

const READER = "arn:aws:iam::222222222222:role/orders-reader";
const INVOICES = "arn:aws:iam::222222222222:role/invoices";
/** Signals that reload, one right after the other. */
const STORM = 20;
/** How many requests are answered between two restarts, and by two daemons side by side. */
const CALM_REQUESTS = 100;
const LOOK_MS = 10;
/** The end of what the daemons have printed. */
const OUTPUT_LENGTH = 4_000;

interface Scene extends DaemonOptions {
  readonly memory: MemoryDirectory;
  readonly port: number;
  readonly url: string;
  readonly sts: FakeSts;
  /** The configuration, with another role and its listener or without. */
  readonly write: (hasMore: boolean) => Promise<void>;
  /** Whether the other role's listener takes connections. */
  readonly isMoreOpen: () => Promise<boolean>;
}

async function prepare(isShared: boolean): Promise<Scene> {
  const memory = await memoryDirectory();
  const directory = memory.path;
  const sts = await startFakeSts();
  sts.addRole({ arn: READER });
  sts.addRole({ arn: INVOICES });
  const key = sts.addKey();
  const port = await freePort();
  const morePort = await freePort();
  const config = join(directory, "crossrole.json");
  const write = async (hasMore: boolean) => {
    const listener = { address: `127.0.0.1:${port}`, role: "reader", reusePort: isShared };
    const more = { address: `127.0.0.1:${morePort}`, role: "invoices" };
    const file = {
      region: "eu-west-1",
      sts: { endpoint: sts.url },
      roles: { reader: { arn: READER }, ...(hasMore ? { invoices: { arn: INVOICES } } : {}) },
      listeners: [listener, ...(hasMore ? [more] : [])],
      state: { directory: join(directory, "state") },
    };
    await writeFile(`${config}.new`, JSON.stringify(file));
    await rename(`${config}.new`, config);
  };
  await write(false);
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
  };
  const isMoreOpen = () => isOpen(morePort);
  return { memory, isMoreOpen, port, url: `http://127.0.0.1:${port}`, sts, write, config, env };
}

/** A daemon that becomes another one, or takes over another configuration, each time it is told to. */
interface Restartable {
  readonly output: () => string;
  again(time: number, load: Load): Promise<void>;
  kill(): void;
}

const START: Readonly<Record<Way, (scene: Scene) => Promise<Restartable>>> = {
  "socket-sigterm": (scene) => behindSocket(scene, "SIGTERM"),
  "socket-sigkill": (scene) => behindSocket(scene, "SIGKILL"),
  overlap: async (scene) => {
    let daemon = await SingleDaemon.start(scene);
    return {
      again: async (_, load) => {
        const before = daemon;
        daemon = await SingleDaemon.start(scene);
        // Side by side: what piled up during the start is more than a drain has time for on a busy machine.
        await load.goneOn(CALM_REQUESTS);
        await before.stop();
      },
      output: () => daemon.output,
      kill: () => daemon.kill(),
    };
  },
  sighup: async (scene) => {
    const daemon = await SingleDaemon.start(scene);
    return {
      again: async (time) => {
        const hasMore = time % 2 === 0;
        await scene.write(hasMore);
        for (let signal = 0; signal < STORM; signal++) {
          daemon.signal("SIGHUP");
          await sleep(1);
        }
        while ((await scene.isMoreOpen()) !== hasMore) await sleep(LOOK_MS);
      },
      output: () => daemon.output,
      kill: () => daemon.kill(),
    };
  },
};

async function behindSocket(scene: Scene, signal: "SIGTERM" | "SIGKILL"): Promise<Restartable> {
  const daemon = await SocketDaemon.start(scene.port, scene);
  return {
    again: () => daemon.restart(signal),
    output: () => daemon.output,
    kill: () => daemon.kill(),
  };
}

async function play(way: Way, times: number, requestsPerSecond: number): Promise<Outcome> {
  const scene = await prepare(way === "overlap");
  const { url, sts, memory } = scene;
  const daemon = await START[way](scene);
  try {
    const token = await tokenFrom(url);
    await untilServed(url, token);
    // What is killed between the answer and the file has nothing to leave to the next one.
    await untilSaved(join(memory.path, "state", "sessions"));
    const load = new Load({
      url,
      role: "reader",
      token,
      issued: () => sts.issued,
      requestsPerSecond,
      retriesOnce: way === "socket-sigkill",
    });
    load.start();
    for (let time = 0; time < times; time++) {
      await daemon.again(time, load);
      await load.goneOn(CALM_REQUESTS);
    }
    const report = await load.stop();
    const calls = sts.calls.filter(({ parameters }) => parameters["RoleArn"] === READER);
    const output = daemon.output().slice(-OUTPUT_LENGTH);
    return { ...report, stsCalls: calls.length, output };
  } finally {
    daemon.kill();
    await sts.close();
    await memory[Symbol.asyncDispose]();
  }
}

async function untilServed(url: string, token: string): Promise<void> {
  const headers = { "X-aws-ec2-metadata-token": token };
  const path = "/latest/meta-data/iam/security-credentials/reader";
  while ((await request(url, path, { headers })).status !== 200) await sleep(LOOK_MS);
}

async function untilSaved(folder: string): Promise<void> {
  while (!(await readdir(folder)).some((name) => name.endsWith(".json"))) await sleep(LOOK_MS);
}

async function isOpen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: "127.0.0.1", port }, () => resolve(true));
  socket.once("error", () => resolve(false));
  const open = await promise;
  socket.destroy();
  return open;
}

const [way, times, requestsPerSecond] = process.argv.slice(2);
const known = WAYS.find((one) => one === way);
if (known === undefined) throw new TypeError(`WAY is one of ${WAYS.join(", ")}`);
const outcome = await play(known, Number(times), Number(requestsPerSecond));
process.stdout.write(`${JSON.stringify(outcome)}\n`);
process.exit();
