/** @module What a reload changes, and what it leaves alone. */
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Config } from "../src/config/types.ts";
import type { Daemon } from "../src/daemon.ts";
import {
  GATEWAY,
  ORDERS_READER,
  accessKeyIdFrom,
  askAsSdk,
  configOf,
  start as startDaemon,
  startSts,
} from "./support/daemon.ts";
import type { FakeSts } from "./support/fake-sts.ts";
import { freePort } from "./support/free-port.ts";
import { request, tokenFrom } from "./support/http.ts";

const INVOICES = "arn:aws:iam::222222222222:role/invoices";
const LIST = "/latest/meta-data/iam/security-credentials/";
/** Longer than a request is held for, and less than a reload waits. */
const SLOW_MS = 800;

let sts: FakeSts;
const running: Daemon[] = [];

beforeEach(async () => {
  sts = await startSts();
  sts.addRole({ arn: INVOICES });
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.close()));
  await sts.close();
  vi.unstubAllEnvs();
});

async function start(wanted: Config) {
  const started = await startDaemon(wanted);
  running.push(started.daemon);
  return started;
}

function config({ sessionName = "orders", more = "", listeners = "", end = "" } = {}): Config {
  return configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"], sessionName: ${sessionName} }
  ${more}
listeners:
  - { address: "127.0.0.1:0", role: orders-reader }
  ${listeners}
${end}
`);
}

const MORE = {
  more: `invoices: { arn: "${INVOICES}", base: hub }`,
  listeners: `- { address: "127.0.0.1:0", role: invoices }`,
};

/** The session name that STS was told for the key that an SDK gets. */
async function sessionServedAt(url: string): Promise<string | undefined> {
  const accessKeyId = await accessKeyIdFrom(url);
  const call = sts.calls.find(({ issued }) => issued === accessKeyId);
  return call?.parameters["RoleSessionName"];
}

describe("a session that a reload changes", () => {
  it("is served as it was until the new one is there, however slow STS is", async () => {
    const { daemon, url } = await start(config());
    await daemon.credentials("orders-reader");
    // Once, so that all code on the way has been read: the next answers are there at once.
    await sessionServedAt(url);
    sts.fault({ kind: "delay", ms: SLOW_MS, roleArn: ORDERS_READER });

    const reloaded = daemon.reload(config({ sessionName: "changed" }));
    const state = { over: false };
    const served = new Set<string | undefined>();
    const finish = () => (state.over = true);
    reloaded.then(finish, finish);
    while (!state.over) served.add(await sessionServedAt(url));
    await reloaded;

    expect(served).toContain("orders");
    expect(await sessionServedAt(url)).toBe("changed");
  });

  it("is not served any longer than a reload waits when STS does not give the new one", async () => {
    const { daemon, url } = await start(config());
    await daemon.credentials("orders-reader");
    sts.fault({ kind: "blackHole", roleArn: ORDERS_READER });

    await daemon.reload(config({ sessionName: "changed" }));

    expect(await askAsSdk(url)).toMatchObject({ status: 500, body: "" });
  });

  it("is not served any longer when STS refuses the new one", async () => {
    const { daemon, url } = await start(config());
    await daemon.credentials("orders-reader");
    sts.fault({ kind: "accessDenied", roleArn: ORDERS_READER });

    await daemon.reload(config({ sessionName: "changed" }));

    expect(await askAsSdk(url)).toMatchObject({ status: 500, body: "" });
  });

  it("is served on when the reload fails in the end, and STS is not asked for it again", async () => {
    const { daemon, url } = await start(config());
    await daemon.credentials("orders-reader");
    const port = new URL(sts.url).port;
    const taken = `- { address: "127.0.0.1:${port}", role: orders-reader }`;

    const reloaded = daemon.reload(config({ sessionName: "changed", listeners: taken }));

    await expect(reloaded).rejects.toMatchObject({ code: "ERR_LISTEN_FAILED" });
    expect(await sessionServedAt(url)).toBe("orders");
  });
});

describe("the authorization token of a role whose reload is refused", () => {
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "crossrole-reload-"));
    file = join(directory, "token");
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  function configWith({ name = "orders", path = file, listeners = "" }): Config {
    const role = `arn: "${INVOICES}", base: hub, authorizationToken: { file: "${path}" }`;
    const listener = `- { address: "127.0.0.1:0", role: ${name} }`;
    return config({ more: `${name}: { ${role} }`, listeners: `${listener}\n  ${listeners}` });
  }

  async function ask(daemon: Daemon): Promise<number | undefined> {
    const headers = { authorization: await readFile(file, "utf8") };
    return (await request(daemon.served[1]?.url ?? "", "/container/orders", { headers })).status;
  }

  it("is in its file as before when a listener cannot be opened", async () => {
    const { daemon } = await start(configWith({}));
    await daemon.credentials("orders");
    const token = await readFile(file, "utf8");
    const listeners = `- { address: "127.0.0.1:${new URL(sts.url).port}", role: renamed }`;

    const reloaded = daemon.reload(configWith({ name: "renamed", listeners }));

    await expect(reloaded).rejects.toMatchObject({ code: "ERR_LISTEN_FAILED" });
    expect(await readFile(file, "utf8")).toBe(token);
    expect(await ask(daemon)).toBe(200);
  });

  it("is good when the next one cannot be written, and what was opened for it is closed", async () => {
    const { daemon } = await start(configWith({}));
    await daemon.credentials("orders");
    // Nothing of it is seen before the token is written.
    const path = join(directory, "other");
    await mkdir(`${path}.new`);
    const port = await freePort();
    const listeners = `- { address: "127.0.0.1:${port}", role: renamed }`;

    const reloaded = daemon.reload(configWith({ name: "renamed", path, listeners }));

    await expect(reloaded).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
    await expect(request(`http://127.0.0.1:${port}`, LIST)).rejects.toThrow("ECONNREFUSED");
    expect(await ask(daemon)).toBe(200);
  });
});

describe("a role that a reload adds", () => {
  it("is there at its listener's first request", async () => {
    const { daemon, log } = await start(config());
    await daemon.credentials("orders-reader");
    sts.fault({ kind: "delay", ms: SLOW_MS, roleArn: INVOICES });

    await daemon.reload(config(MORE));
    const url = daemon.served[1]?.url ?? "";

    expect(await askAsSdk(url)).toMatchObject({ status: 200 });
    expect(log.lines.map(({ level }) => level)).not.toContain("error");
  });
});

describe("a role that a reload takes away", () => {
  it("is refused when the reload is over, and its session is let go", async () => {
    const { daemon, log } = await start(config(MORE));
    await daemon.credentials("invoices");
    const url = daemon.served[1]?.url ?? "";

    await daemon.reload(config());

    await expect(request(url, LIST)).rejects.toThrow("ECONNREFUSED");
    await expect(daemon.credentials("invoices")).rejects.toMatchObject({ code: "ERR_NOT_FOUND" });
    const dropped = log.lines.filter(({ event }) => event.startsWith("session dropped"));
    expect(dropped.map(({ fields }) => fields["roleArn"])).toEqual([INVOICES]);
  });
});

describe("a connection to a listener that a reload leaves alone", () => {
  it("stays open while others are opened and closed", async () => {
    const { daemon, url } = await start(config());
    await daemon.credentials("orders-reader");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<Socket>();
    const token = await tokenFrom(url);
    const ask = async () => {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      const headers = { "x-aws-ec2-metadata-token": token };
      httpRequest(`${url}${LIST}`, { agent, headers }, resolve).once("error", reject).end();
      const incoming = await promise;
      sockets.add(incoming.socket);
      return await text(incoming);
    };

    const answers = [await ask()];
    for (const next of [config(MORE), config(), config({ sessionName: "changed" })]) {
      await daemon.reload(next);
      answers.push(await ask());
    }
    agent.destroy();

    expect(new Set(answers)).toEqual(new Set(["orders-reader"]));
    expect(sockets.size).toBe(1);
  });
});

describe("an address that a reload changes", () => {
  it("is left for the new one, of the operations too", async () => {
    const [one, other] = [await freePort(), await freePort()];
    const { daemon } = await start(config({ end: operations(one) }));

    await daemon.reload(config({ end: operations(other) }));

    expect((await request(`http://127.0.0.1:${other}`, "/healthz")).status).toBe(200);
    await expect(request(`http://127.0.0.1:${one}`, "/healthz")).rejects.toThrow("ECONNREFUSED");
  });

  it("is refused with its reason when both cannot be open at once", async () => {
    const port = await freePort();
    const listener = (host: string) => `- { address: "${host}:${port}", role: orders-reader }`;
    const { daemon } = await start(config({ listeners: listener("127.0.0.1") }));

    const reloaded = daemon.reload(config({ listeners: listener("0.0.0.0") }));

    await expect(reloaded).rejects.toMatchObject({
      code: "ERR_LISTEN_FAILED",
      message: `cannot listen on 0.0.0.0:${port} while this crossrole answers at 127.0.0.1:${port}: restart it, or take the old listener out first`,
    });
    expect((await request(`http://127.0.0.1:${port}`, LIST)).status).toBe(401);
  });
});

describe("a reload that meets the end of the daemon", () => {
  it("opens nothing any more", async () => {
    const { daemon } = await start(config());
    await daemon.credentials("orders-reader");
    sts.fault({ kind: "delay", ms: SLOW_MS, roleArn: INVOICES });
    const port = await freePort();
    const listeners = `- { address: "127.0.0.1:${port}", role: invoices }`;

    const reloaded = daemon.reload(config({ ...MORE, listeners }));
    await Promise.all([
      expect(reloaded).rejects.toMatchObject({ code: "ERR_CLOSED" }),
      daemon.close(),
    ]);

    await expect(request(`http://127.0.0.1:${port}`, LIST)).rejects.toThrow("ECONNREFUSED");
  });
});

function operations(port: number): string {
  return `operations: { address: "127.0.0.1:${port}" }`;
}
