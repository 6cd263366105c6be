import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Config } from "../src/config/types.ts";
import type { Daemon } from "../src/daemon.ts";
import {
  ORDERS_READER,
  askAsSdk,
  configOf,
  oneRole,
  start as startWith,
  startSts,
} from "./support/daemon.ts";
import type { FakeSts } from "./support/fake-sts.ts";
import { request, sendRaw, tokenFrom } from "./support/http.ts";

const LIST = "/latest/meta-data/iam/security-credentials/";
const TTL = { "X-aws-ec2-metadata-token-ttl-seconds": "60" };

let sts: FakeSts;
let running: Daemon | undefined;

/** The one role at `address`. */
function configAt(address: string, allowUsers: "any" | readonly number[] = []): Config {
  const config = oneRole(sts);
  const listeners = configOf(`
roles: { orders-reader: { arn: "${ORDERS_READER}" } }
listeners: [{ address: "${address}", role: orders-reader }]
`).listeners.map((listener) => ({ ...listener, allowUsers }));
  return { ...config, listeners };
}

async function start(config: Config) {
  const started = await startWith(config);
  running = started.daemon;
  await started.daemon.credentials("orders-reader");
  return { ...started, port: Number(new URL(started.url).port) };
}

beforeEach(async () => {
  sts = await startSts();
});

afterEach(async () => {
  await running?.close();
  await sts.close();
  vi.unstubAllEnvs();
});

describe("a listener on [::1]", () => {
  it("is told as a URL with brackets and the port that it got, and serves an SDK there", async () => {
    const { url, port } = await start(configAt("[::1]:0"));
    const { status, body } = await askAsSdk(url);

    expect(port).toBeGreaterThan(0);
    expect(url).toBe(`http://[::1]:${port}`);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      Code: "Success",
      AccessKeyId: sts.issued.at(-1)?.accessKeyId,
    });
  });

  it("takes every name of loopback for its host, with a port and without", async () => {
    const { url, port } = await start(configAt("[::1]:0"));
    for (const host of ["[::1]", `[::1]:${port}`, "[::1]:80", "localhost", `127.0.0.1:${port}`]) {
      const headers = { ...TTL, host };
      expect(await request(url, "/latest/api/token", { method: "PUT", headers })).toMatchObject({
        status: 200,
      });
    }
    const ec2 = { ...TTL, host: "[fd00:ec2::254]" };
    expect(await request(url, "/latest/api/token", { method: "PUT", headers: ec2 })).toMatchObject({
      status: 200,
    });
  });

  it.each([
    "::1",
    "[::2]",
    "[::1",
    "::1]",
    "[::1].evil.example",
    "[::ffff:7f00:1]",
    "[2001:db8::1]",
  ])("refuses the host %s", async (host) => {
    const { url } = await start(configAt("[::1]:0"));
    const headers = { ...TTL, host };

    expect(await request(url, "/latest/api/token", { method: "PUT", headers })).toMatchObject({
      status: 403,
      body: "",
    });
  });

  it("does not listen on 127.0.0.1", async () => {
    const { port } = await start(configAt("[::1]:0"));

    expect(await sendRaw({ port }, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).toEqual({
      text: "",
      closed: true,
    });
  });
});

describe("a listener of IPv6 whose peers are of IPv4", () => {
  it("serves who comes to 127.0.0.1, and finds the owner of its socket", async () => {
    const { port, log } = await start(configAt("[::ffff:127.0.0.1]:0"));

    expect(await askAsSdk(`http://127.0.0.1:${port}`)).toMatchObject({ status: 200 });
    expect(log.lines.filter(({ event }) => event === "request refused")).toEqual([]);
  });
});

describe("two listeners on one port, one for each kind of address,", () => {
  it("take no tokens of each other", async () => {
    const first = await start(configAt("127.0.0.1:0"));
    const both = configAt("127.0.0.1:0");
    const [v6] = configAt(`[::1]:${first.port}`).listeners;
    await first.daemon.reload({
      ...both,
      listeners: [...both.listeners, ...(v6 === undefined ? [] : [v6])],
    });
    const url6 = `http://[::1]:${first.port}`;
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(first.url) };

    expect(await request(first.url, LIST, { headers })).toMatchObject({ status: 200 });
    expect(await request(url6, LIST, { headers })).toMatchObject({ status: 401, body: "" });
    expect(await askAsSdk(url6)).toMatchObject({ status: 200 });
  });
});
