/** Who is refused by a running daemon is told why, from nothing but what it answers. */
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startDaemon } from "../../src/daemon.ts";
import type { Daemon } from "../../src/daemon.ts";
import { probeMetadata } from "../../src/explain/client/probe.ts";
import { memoryLog, oneRole, startSts } from "../support/daemon.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request } from "../support/http.ts";
import { startPodScene } from "../support/pod-scene.ts";

const TOKEN = "/latest/api/token";
const TTL = { "X-aws-ec2-metadata-token-ttl-seconds": "60" };

let sts: FakeSts;
let daemon: Daemon;

beforeEach(async () => {
  sts = await startSts();
  daemon = await startDaemon({
    config: oneRole(sts),
    environment: process.env,
    hostname: "host",
    log: memoryLog(),
    uid: process.getuid?.() ?? 0,
    // Nobody's socket is in the kernel's tables: whoever asks is refused.
    socketTables: () => Promise.resolve({ tcp: "", tcp6: "" }),
  });
});

afterEach(async () => {
  await daemon.close();
  await sts.close();
  vi.unstubAllEnvs();
});

function endpoint(): URL {
  return new URL(daemon.served[0]?.url ?? "");
}

/** What passes every request on to `to`, with `headers` of its own. */
async function proxyTo(to: URL, headers: Readonly<Record<string, string>>) {
  const server = createServer((asked, answer) => {
    const options = { method: asked.method, path: asked.url, agent: false };
    forward(to, { ...options, headers: { ...asked.headers, ...headers } }, (passed) => {
      answer.writeHead(passed.statusCode ?? 0);
      passed.pipe(answer);
    }).end();
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

describe("a metadata endpoint that gives no token", () => {
  it("is said to refuse this process, where the socket is nobody's that is allowed", async () => {
    const url = endpoint();

    // A client must not read that there is no IMDSv2 here.
    expect((await request(url.origin, TOKEN, { method: "PUT", headers: TTL })).status).toBe(500);
    expect(await probeMetadata(url)).toEqual({
      kind: "nothing",
      why: "it refuses this process (403): crossrole answers its own user, those in allowUsers, and pods it knows",
    });
  });

  it.each([
    ["under a name that is not its own", { host: "metadata.example" }],
    ["by a proxy", { "x-forwarded-for": "10.0.0.1" }],
  ])("is said to refuse the way to it, when it is asked %s", async (_, headers) => {
    await using proxy = await proxyTo(endpoint(), headers);

    expect(await probeMetadata(proxy.url)).toEqual({
      kind: "nothing",
      why: "it refuses the way it is asked (403): by a host name that is not the listener's (add it to hosts), or through a proxy",
    });
  });

  it("is said not to know yet which pod asks", async () => {
    await using scene = await startPodScene();

    expect(await probeMetadata(new URL(scene.url))).toEqual({
      kind: "nothing",
      why: "it gives no metadata token now (500): its log says why",
    });
  });

  it("is said to have no role for the pod that asks, where no rule gives it one", async () => {
    await using scene = await startPodScene();
    scene.addPod("web-1", "127.0.0.1", { serviceAccount: "nobody" });

    expect(await probeMetadata(new URL(scene.url))).toEqual({
      kind: "nothing",
      why: "it has no role for this pod (404): crossrole check --pod tells why",
    });
  });
});
