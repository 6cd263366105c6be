import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Daemon } from "../src/daemon.ts";
import { CANARY } from "./support/fake-sts.ts";
import type { FakeSts } from "./support/fake-sts.ts";
import {
  GATEWAY,
  ORDERS_READER,
  accessKeyIdFrom,
  askAsSdk,
  configOf,
  oneRole,
  start as startDaemon,
  startSts,
} from "./support/daemon.ts";
import { request, tokenFrom } from "./support/http.ts";
import { memoryDirectory } from "./support/memory.ts";

let sts: FakeSts;
const running: Daemon[] = [];

async function start(...args: Parameters<typeof startDaemon>) {
  const started = await startDaemon(...args);
  running.push(started.daemon);
  return started;
}

beforeEach(async () => {
  sts = await startSts();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.close()));
  await sts.close();
  vi.unstubAllEnvs();
});

describe("an SDK at the daemon", () => {
  it("gets what STS issued for the target role, and STS was asked once a hop", async () => {
    const { url, daemon } = await start(oneRole(sts));
    await daemon.credentials("orders-reader");
    const { body } = await askAsSdk(url);
    const [, target] = sts.issued;
    expect(JSON.parse(body)).toMatchObject({
      Code: "Success",
      Type: "AWS-HMAC",
      AccessKeyId: target?.accessKeyId,
      SecretAccessKey: target?.secretAccessKey,
      Token: target?.sessionToken,
    });
    expect(sts.calls.map(({ parameters }) => parameters["RoleArn"])).toEqual([
      GATEWAY,
      ORDERS_READER,
    ]);
  });

  it("is answered although it asks before STS has answered anybody", async () => {
    sts.fault({ kind: "delay", ms: 100 });
    const { url } = await start(oneRole(sts));
    expect(await accessKeyIdFrom(url)).toMatch(/EXAMPLE$/);
  });

  it("waits 400 ms for each route and no longer, while the call to STS goes on", async () => {
    sts.fault({ kind: "delay", ms: 1_500, roleArn: ORDERS_READER });
    const { url, daemon } = await start(oneRole(sts));
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
    const began = performance.now();
    const list = await request(url, "/latest/meta-data/iam/security-credentials/", { headers });
    expect(list).toMatchObject({ status: 500, body: "" });
    expect(performance.now() - began).toBeGreaterThan(390);
    await daemon.credentials("orders-reader");
    expect((await askAsSdk(url)).status).toBe(200);
    expect(sts.calls).toHaveLength(2);
  });

  it("gets one and the same answer in a herd of 500, for one call to STS a hop", async () => {
    sts.fault({ kind: "delay", ms: 50 });
    const { url } = await start(oneRole(sts));
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
    const path = "/latest/meta-data/iam/security-credentials/orders-reader";
    const herd = Array.from({ length: 500 }, () => request(url, path, { headers }));
    const answers = await Promise.all(herd);
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(200);
    expect(sts.calls).toHaveLength(2);
  });

  it("gets 500 with an empty body when STS says no, and the log says why and where to look", async () => {
    sts.addRole({ arn: ORDERS_READER, trusts: ["arn:aws:iam::999999999999:root"] });
    const { url, log, daemon } = await start(oneRole(sts));
    await expect(daemon.credentials("orders-reader")).rejects.toMatchObject({
      code: "ERR_ROLE_DENIED",
    });
    expect(await askAsSdk(url)).toMatchObject({ status: 500, body: "" });
    const line = log.lines.find(({ event }) => event === "credentials not obtained");
    expect(line?.fields["reason"]).toEqual(expect.stringContaining(ORDERS_READER));
    expect(line?.fields["reason"]).toEqual(expect.stringContaining("account 222222222222"));
  });
});

describe("sessions that end and begin", () => {
  it("are renewed under a client that never sees an error nor an old key after its end", async () => {
    sts.lifeSeconds = 4;
    const { url } = await start(oneRole(sts));
    const seen = new Set<string>();
    while (seen.size < 3) {
      const { status, body } = await askAsSdk(url);
      expect(status).toBe(200);
      const document = JSON.parse(body) as { AccessKeyId: string; Expiration: string };
      expect(Date.parse(document.Expiration)).toBeGreaterThan(Date.now() - 1_000);
      seen.add(document.AccessKeyId);
    }
  });

  it("are served to their end while STS is gone, and recover without anybody's help", async () => {
    sts.lifeSeconds = 8;
    const { url, log, daemon } = await start(oneRole(sts));
    await daemon.credentials("orders-reader");
    const first = await accessKeyIdFrom(url);
    sts.fault({ kind: "reset" });
    await vi.waitUntil(
      async () => {
        expect(await accessKeyIdFrom(url)).toBe(first);
        return log.lines.some(({ event }) => event === "renewal failed, still serving");
      },
      { timeout: 6_000, interval: 50 },
    );
    sts.heal();
    await vi.waitUntil(async () => (await accessKeyIdFrom(url)) !== first, {
      timeout: 6_000,
      interval: 50,
    });
  });

  it("are shared at the hop: twenty roles behind one gateway cost one gateway session", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `role-${index}`);
    for (const name of names) sts.addRole({ arn: `arn:aws:iam::222222222222:role/${name}` });
    const { daemon } = await start(
      configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
${names.map((name) => `  ${name}: { arn: "arn:aws:iam::222222222222:role/${name}", base: hub, via: ["${GATEWAY}"] }`).join("\n")}
`),
    );
    await Promise.all(names.map((name) => daemon.credentials(name)));
    const asked = sts.calls.map(({ parameters }) => parameters["RoleArn"]);
    expect(asked.filter((arn) => arn === GATEWAY)).toHaveLength(1);
    expect(asked).toHaveLength(21);
  });
});

describe("reload", () => {
  it("keeps listener, token and credentials of a role that did not change, without a call to STS", async () => {
    const { url, daemon } = await start(oneRole(sts));
    const token = await tokenFrom(url);
    const key = await accessKeyIdFrom(url);
    await daemon.reload(oneRole(sts));
    const path = "/latest/meta-data/iam/security-credentials/orders-reader";
    const response = await request(url, path, { headers: { "x-aws-ec2-metadata-token": token } });
    expect(response.body).toContain(key);
    expect(sts.calls).toHaveLength(2);
  });

  it("refuses a role that left, under its name and at its address", async () => {
    const { url, daemon } = await start(oneRole(sts));
    await accessKeyIdFrom(url);
    sts.addRole({ arn: "arn:aws:iam::222222222222:role/other" });
    const other = oneRole(sts).roles.get("orders-reader");
    if (other === undefined) throw new TypeError("the role is configured");
    const renamed = {
      ...other,
      name: "other",
      arn: "arn:aws:iam::222222222222:role/other",
      via: [],
    };
    const config = oneRole(sts);
    await daemon.reload({
      ...config,
      roles: new Map([["other", renamed]]),
      listeners: config.listeners.map((listener) => ({ ...listener, role: "other" })),
    });
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
    const list = "/latest/meta-data/iam/security-credentials/";
    expect(await request(url, `${list}orders-reader`, { headers })).toMatchObject({ status: 404 });
    expect(await request(url, list, { headers })).toMatchObject({ status: 200, body: "other" });
    await expect(daemon.credentials("orders-reader")).rejects.toMatchObject({
      code: "ERR_NOT_FOUND",
    });
  });

  it("leaves everything as it was when a new listener cannot be opened", async () => {
    const { url, daemon } = await start(oneRole(sts));
    const taken = Number(new URL(url).port);
    const second = await start(oneRole(sts));
    const config = configOf(`
sts: { endpoint: "${sts.url}" }
roles: { orders-reader: { arn: "${ORDERS_READER}", via: ["${GATEWAY}"] } }
listeners: [{ address: "127.0.0.1:${new URL(second.url).port}", role: orders-reader }]
`);
    await expect(daemon.reload(config)).rejects.toMatchObject({
      code: "ERR_LISTEN_FAILED",
      message: expect.stringContaining("another process has this port"),
    });
    expect(await accessKeyIdFrom(`http://127.0.0.1:${taken}`)).toMatch(/EXAMPLE$/);
  });
});

describe("state directory", () => {
  it("lets metadata tokens survive a restart, in a file that only its owner can read", async () => {
    await using memory = await memoryDirectory();
    const directory = join(memory.path, "state");
    const config = (address: string) => {
      const base = oneRole(sts, `state: { directory: "${directory}" }`);
      const [host = "", port] = address.split(":");
      return {
        ...base,
        listeners: base.listeners.map((listener) => ({
          ...listener,
          address: { host, port: Number(port) },
        })),
      };
    };
    const before = await startDaemon(config("127.0.0.1:0"));
    const port = new URL(before.url).port;
    await before.daemon.close();
    const first = await startDaemon(config(`127.0.0.1:${port}`));
    const token = await tokenFrom(first.url);
    await first.daemon.close();
    const second = await start(config(`127.0.0.1:${port}`));
    const path = "/latest/meta-data/placement/region";
    const response = await request(second.url, path, {
      headers: { "x-aws-ec2-metadata-token": token },
    });
    expect(response).toMatchObject({ status: 200, body: "eu-west-1" });
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const file = join(directory, "metadata-token-keys.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).not.toContain(CANARY);
  });

  it("that cannot be made is an error that names it", async () => {
    const config = oneRole(sts, 'state: { directory: "/dev/null/state" }');
    await expect(startDaemon(config)).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("/dev/null/state"),
    });
  });
});

describe("secrets", () => {
  it("are in no log line and in no inspection of the daemon, whatever STS does", async () => {
    sts.lifeSeconds = 4;
    const { daemon, log, url } = await start(oneRole(sts));
    await daemon.credentials("orders-reader");
    await askAsSdk(url);
    for (const kind of [
      "reset",
      "throttle",
      "html",
      "truncatedXml",
      "emptyFields",
      "noCredentials",
    ] as const) {
      sts.fault({ kind, times: 1 });
    }
    await vi.waitUntil(() => log.lines.some(({ event }) => event.startsWith("renewal failed")), {
      timeout: 6_000,
    });
    const text = inspect([daemon, log.lines], { depth: 20, showHidden: true });
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain(process.env["AWS_SECRET_ACCESS_KEY"]);
  });
});
