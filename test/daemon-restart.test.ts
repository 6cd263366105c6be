/** @module A daemon that follows another one: what it takes over from the state directory, and what it does not. */
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { Agent } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Config } from "../src/config/types.ts";
import type { Daemon } from "../src/daemon.ts";
import { openState } from "../src/saved-state.ts";
import {
  GATEWAY,
  ORDERS_READER,
  accessKeyIdFrom,
  askAsSdk,
  configOf,
  memoryLog,
  start as startDaemon,
  startSts,
} from "./support/daemon.ts";
import type { FakeSts } from "./support/fake-sts.ts";
import { request, tokenFrom } from "./support/http.ts";
import { memoryDirectory } from "./support/memory.ts";
import type { MemoryDirectory } from "./support/memory.ts";
import { startPodScene } from "./support/pod-scene.ts";

const ROLES = "/latest/meta-data/iam/security-credentials/";
const CREDENTIALS = `${ROLES}orders-reader`;

let sts: FakeSts;
let memory: MemoryDirectory;
const running: Daemon[] = [];

beforeEach(async () => {
  memory = await memoryDirectory();
  sts = await startSts();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.close()));
  await sts.close();
  await memory[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

async function start(wanted: Config) {
  const started = await startDaemon(wanted);
  running.push(started.daemon);
  return started;
}

function config({ role = "", state = join(memory.path, "state") } = {}): Config {
  return configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"] ${role} }
listeners:
  - { address: "127.0.0.1:0", role: orders-reader }
state: { directory: "${state}" }
`);
}

/** A daemon that has obtained its session, and is no more. @returns what it had given to a client. */
async function hasRun(first = config()): Promise<{ accessKeyId: string; token: string }> {
  const { daemon, url } = await startDaemon(first);
  await daemon.credentials("orders-reader");
  const given = { accessKeyId: await accessKeyIdFrom(url), token: await tokenFrom(url) };
  await daemon.close();
  return given;
}

function eventsOf(lines: readonly { readonly event: string }[]): string[] {
  return lines.map(({ event }) => event);
}

describe("a daemon that follows another one", () => {
  it("answers from its first request on with what the other one held, although STS is gone", async () => {
    const { accessKeyId, token } = await hasRun();
    const calls = sts.calls.length;
    sts.fault({ kind: "blackHole" });

    const { url, log } = await start(config());
    const headers = { "x-aws-ec2-metadata-token": token };
    const answer = await request(url, CREDENTIALS, { headers });

    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining(accessKeyId) });
    expect(sts.calls).toHaveLength(calls);
    expect(eventsOf(log.lines)).toContain("credentials taken over from before the restart");
  });

  it.each([
    ["session name", ', sessionName: "another"'],
    ["external id", ', externalId: "7f2c"'],
    ["policy", ', policy: { Version: "2012-10-17", Statement: [] }'],
    ["duration", ", durationSeconds: 1800"],
  ])("gives nothing of the other one's to a session with another %s", async (_, role) => {
    const { accessKeyId } = await hasRun();

    const { daemon, url } = await start(config({ role }));
    await daemon.credentials("orders-reader");

    expect(await accessKeyIdFrom(url)).not.toBe(accessKeyId);
  });

  it("asks STS when what the other one held has expired meanwhile", async () => {
    // As long as a busy machine may take to hand it out.
    sts.lifeSeconds = 3;
    await hasRun();
    const hasExpired = () =>
      sts.issued.every(({ expiration }) => expiration.getTime() < Date.now());
    await vi.waitUntil(hasExpired, { timeout: 10_000 });
    sts.lifeSeconds = undefined;

    const { daemon, log } = await start(config());
    await daemon.credentials("orders-reader");

    expect(eventsOf(log.lines)).not.toContain("credentials taken over from before the restart");
  });

  it("asks STS and takes no metadata token of the other one's without its state directory", async () => {
    const { accessKeyId, token } = await hasRun();

    const { daemon, url } = await start(config({ state: join(memory.path, "another") }));
    await daemon.credentials("orders-reader");
    const headers = { "x-aws-ec2-metadata-token": token };

    expect((await request(url, CREDENTIALS, { headers })).status).toBe(401);
    expect(await accessKeyIdFrom(url)).not.toBe(accessKeyId);
  });

  it("answers while the other one still does, with the same session and each other's tokens", async () => {
    const first = await start(config());
    await first.daemon.credentials("orders-reader");
    const calls = sts.calls.length;

    const second = await start(config());
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(first.url) };
    const answer = await request(second.url, CREDENTIALS, { headers });

    expect(answer.status).toBe(200);
    expect(answer.body).toContain(await accessKeyIdFrom(first.url));
    expect(sts.calls).toHaveLength(calls);
  });

  it("leaves the base's keys in no file, and its files to nobody else", async () => {
    await hasRun();

    const folder = join(memory.path, "state/sessions");
    const names = await readdir(folder);

    // The role's and the hop's.
    expect(names).toHaveLength(2);
    for (const name of names) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
      const text = await readFile(join(folder, name), "utf8");
      expect(text).not.toContain(process.env["AWS_SECRET_ACCESS_KEY"]);
    }
  });
});

describe("a state directory that cannot be written to", () => {
  it("is warned of, and the daemon answers with keys in memory", async () => {
    await mkdir(join(memory.path, "state/metadata-token-keys.json"), {
      recursive: true,
      mode: 0o700,
    });

    const { daemon, url, log } = await start(config());
    await daemon.credentials("orders-reader");

    expect((await askAsSdk(url)).status).toBe(200);
    expect(eventsOf(log.lines)).toContain("metadata-token keys not written");
  });

  it("is rid of what is of no use before the keys need room in it", async () => {
    const folder = join(memory.path, "state/sessions");
    const keys = join(memory.path, "state/metadata-token-keys.json");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (let index = 0; index < 500; index++)
      await writeFile(join(folder, `${index.toString(16).padStart(64, "0")}.json`), "{}");

    await openState(join(memory.path, "state"), { uid: process.getuid?.(), log: memoryLog() });

    expect(await readdir(folder)).toEqual([]);
    expect((await stat(keys)).isFile()).toBe(true);
  });
});

describe("a pod at a daemon that follows another one", () => {
  it("is given the session that the other one held for it, without a call to STS", async () => {
    const rules = `
associations:
  - { namespace: team-a, serviceAccount: reader, role: reader }
state: { directory: "${join(memory.path, "state")}" }
`;
    await using scene = await startPodScene({ rules });
    scene.addPod("reader-1", "127.0.0.21");
    await vi.waitUntil(async () => (await scene.ask("127.0.0.21")).status === 200);
    const before = JSON.parse((await scene.ask("127.0.0.21")).body) as { AccessKeyId: string };
    await scene.daemon.close();
    const calls = scene.sts.calls.length;
    scene.sts.fault({ kind: "blackHole" });

    const { daemon } = await start(scene.configOf());
    const [url = ""] = daemon.podUrls;
    await vi.waitUntil(async () => (await askAsSdk(url, "127.0.0.21")).status === 200);
    const after = JSON.parse((await askAsSdk(url, "127.0.0.21")).body) as { AccessKeyId: string };

    expect(after.AccessKeyId).toBe(before.AccessKeyId);
    expect(scene.sts.calls).toHaveLength(calls);
  });
});

describe("a pod at a daemon that ends", () => {
  it("is given its session on the connection that it keeps, and told that this is the last answer", async () => {
    const from = "127.0.0.21";
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await using scene = await startPodScene();
    scene.addPod("reader-1", from);
    await vi.waitUntil(async () => (await scene.ask(from)).status === 200);
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(scene.url, 21_600, from) };
    const ask = () => request(scene.url, `${ROLES}reader`, { headers, from, agent });

    const before = await ask();
    const closing = scene.daemon.close();
    const during = await ask();
    agent.destroy();
    await closing;

    expect(before).toMatchObject({ status: 200, headers: { connection: "keep-alive" } });
    expect(during).toMatchObject({ status: 200, headers: { connection: "close" } });
    expect(during.body).toBe(before.body);
  });
});
