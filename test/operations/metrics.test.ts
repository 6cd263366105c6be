import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMetrics } from "../../src/operations/metrics.ts";
import { ordersReader, temporaryCredentials } from "../support/credentials.ts";
import { askAsSdk, oneRole, start, startSts } from "../support/daemon.ts";
import type { Started } from "../support/daemon.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";
import { startPodScene } from "../support/pod-scene.ts";
import { eventually } from "../support/program.ts";
import { freePort } from "../support/free-port.ts";
import { samplesAt } from "./support.ts";

let sts: FakeSts;
let started: Started;
let port: number;
let operations: string;

beforeEach(async () => {
  sts = await startSts();
  port = await freePort();
  operations = `http://127.0.0.1:${port}`;
});

afterEach(async () => {
  await started?.daemon.close();
  await sts.close();
  vi.unstubAllEnvs();
});

const config = () => oneRole(sts, `operations: { address: "127.0.0.1:${port}" }`);
const route = (name: string, status: number) =>
  `crossrole_http_requests_total{route="${name}",status="${status}"}`;
const stsCalls = (code: string, operation = "AssumeRole") =>
  `crossrole_sts_requests_total{operation="${operation}",code="${code}"}`;
const state = (name: string) => `crossrole_role_state{role="orders-reader",state="${name}"}`;

async function held(): Promise<void> {
  started = await start(config());
  await started.daemon.credentials("orders-reader");
}

describe("the metrics of requests", () => {
  it("count them by route and status", async () => {
    await held();
    await askAsSdk(started.url);
    await askAsSdk(started.url);
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(started.url) };
    await request(started.url, "/latest/meta-data/placement/region", { headers });
    await request(started.url, "/latest/user-data", { headers });
    await request(started.url, "/latest/user-data");
    await request(started.url, "/latest/api/token", { method: "GET" });
    await request(started.url, "/container/orders-reader");
    const counted = await samplesAt(operations);

    expect(counted.get(route("token", 200))).toBe(3);
    expect(counted.get(route("role_list", 200))).toBe(2);
    expect(counted.get(route("credentials", 200))).toBe(2);
    expect(counted.get(route("document", 200))).toBe(1);
    expect(counted.get(route("other", 404))).toBe(1);
    expect(counted.get(route("other", 401))).toBe(1);
    expect(counted.get(route("other", 405))).toBe(1);
    expect(counted.get(route("container_credentials", 401))).toBe(1);
    expect((await samplesAt(operations)).get(route("metrics", 200))).toBe(1);
  });

  it("count the hand-outs that took no call of their own", async () => {
    await held();
    for (let index = 0; index < 5; index++) await askAsSdk(started.url);

    expect((await samplesAt(operations)).get('crossrole_sts_calls_saved_total{by="memory"}')).toBe(
      4,
    );
  });

  it("count those of a cold start that shared one call", async () => {
    sts.fault({ kind: "delay", ms: 100, times: 2 });
    started = await start(config());
    const token = await tokenFrom(started.url);
    const headers = { "x-aws-ec2-metadata-token": token };
    const target = "/latest/meta-data/iam/security-credentials/orders-reader";
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => request(started.url, target, { headers })),
    );
    const fine = answers.filter(({ status }) => status === 200).length;
    const counted = await samplesAt(operations);
    const [memory = 0, shared = 0] = ["memory", "shared"].map((by) =>
      counted.get(`crossrole_sts_calls_saved_total{by="${by}"}`),
    );

    expect(memory + shared).toBe(Math.max(0, fine - 1));
  });
});

describe("the metrics of STS", () => {
  it("count calls by operation and AWS's own name, and how long they took", async () => {
    sts.fault({ kind: "throttle", times: 1 });
    started = await start(config());
    await eventually(async () => {
      await started.daemon.credentials("orders-reader");
    });
    const counted = await samplesAt(operations);

    expect(counted.get(stsCalls("Throttling"))).toBe(1);
    expect(counted.get(stsCalls("OK"))).toBe(2);
    const name = "crossrole_sts_request_duration_seconds";
    expect(counted.get(`${name}_count{operation="AssumeRole"}`)).toBe(3);
    expect(counted.get(`${name}_bucket{le="+Inf",operation="AssumeRole"}`)).toBe(3);
  });

  it.each([
    [{ kind: "accessDenied" }, "AccessDenied"],
    [{ kind: "unavailable", status: 503 }, "ServiceUnavailable"],
    [{ kind: "error", status: 418, code: "MadeUpByTheEndpoint", message: "x" }, "HTTP4xx"],
    [{ kind: "noCredentials" }, "malformed"],
    [{ kind: "html" }, "malformed"],
    [{ kind: "reset" }, "ECONNRESET"],
  ] as const)("call what came of %j %s", async (fault, code) => {
    sts.fault(fault);
    started = await start(config());
    await expect(started.daemon.credentials("orders-reader")).rejects.toThrow("gateway");

    expect((await samplesAt(operations)).get(stsCalls(code))).toBeGreaterThanOrEqual(1);
  });
});

describe("the metrics of roles", () => {
  it("say in which one state each is, whether it was obtained, and when it expires", async () => {
    await held();
    const counted = await samplesAt(operations);
    const expiration = counted.get(
      'crossrole_role_expiration_timestamp_seconds{role="orders-reader"}',
    );

    expect(counted.get(state("ok"))).toBe(1);
    expect(counted.get(state("down"))).toBe(0);
    expect(counted.get('crossrole_role_ready{role="orders-reader"}')).toBe(1);
    expect(counted.get("crossrole_ready")).toBe(1);
    expect(counted.get('crossrole_listener_up{listener="127.0.0.1:0#0"}')).toBe(1);
    expect(expiration).toBeCloseTo(Date.now() / 1000 + 3_600, -2);
    expect(counted.get("crossrole_sessions")).toBe(3);
  });

  it("say that it fails while it is held, and that it is down afterwards", async () => {
    sts.lifeSeconds = 4;
    await held();
    sts.fault({ kind: "throttle" });
    await eventually(async () =>
      expect((await samplesAt(operations)).get(state("failing"))).toBe(1),
    );
    await eventually(async () => expect((await samplesAt(operations)).get(state("down"))).toBe(1));
    const counted = await samplesAt(operations);

    expect([...counted.keys()].filter((key) => key.includes("role_expiration"))).toEqual([]);
    expect(counted.get('crossrole_role_ready{role="orders-reader"}')).toBe(1);
    expect(counted.get("crossrole_ready")).toBe(1);
  });

  it("call a source that no configuration names by no name: an annotation can make up any number", async () => {
    const metrics = await createMetrics(() => false);
    for (let index = 0; index < 50; index++) {
      const source = { ...ordersReader, roleArn: `arn:aws:iam::222222222222:role/r${index}` };
      const credentials = temporaryCredentials();
      metrics.credentials({ type: "obtained", source, credentials, elapsedMs: 1, renewal: false });
    }
    const { body } = await metrics.exposition();

    expect(body).toContain('attempts_total{source="annotation",outcome="ok"} 50');
    expect(body).not.toContain("role/r");
  });
});

describe("the metrics of the process", () => {
  it("are its version, its start, and how late its event loop is", async () => {
    await held();
    const counted = await samplesAt(operations);

    expect(counted.get('crossrole_build_info{version="unknown",node="unknown"}')).toBe(1);
    expect(counted.get("crossrole_start_time_seconds")).toBeCloseTo(Date.now() / 1000, -2);
    for (const stat of ["p50", "p99", "max"]) {
      const lag = counted.get(`crossrole_event_loop_lag_seconds{stat="${stat}"}`);
      expect(lag).toBeGreaterThanOrEqual(0);
    }
    expect(counted.get("crossrole_clock_skew_seconds")).toBe(0);
    // No listener is for pods: 0 would be a figure of them.
    expect(counted.has("crossrole_pods")).toBe(false);
    expect(counted.has("crossrole_watch_last_contact_seconds")).toBe(false);
  });

  it("are the last reload, and whether it went well", async () => {
    await held();
    const successful = async () =>
      (await samplesAt(operations)).get("crossrole_config_last_reload_successful");
    expect(await successful()).toBe(1);
    started.daemon.refusedReload(new Error("a bad file"));
    expect(await successful()).toBe(0);
    await started.daemon.reload(config());
    expect(await successful()).toBe(1);
    const at = (await samplesAt(operations)).get(
      "crossrole_config_last_reload_success_timestamp_seconds",
    );
    expect(at).toBeCloseTo(Date.now() / 1000, -2);
  });

  it("are the pods and the last word of the API server, where a listener is for pods", async () => {
    await held();
    const podPort = await freePort();
    const rules = `operations: { address: "127.0.0.1:${podPort}" }`;
    await using scene = await startPodScene({ rules });
    scene.addPod("web-1", "127.0.0.11");

    await eventually(async () => {
      const counted = await samplesAt(`http://127.0.0.1:${podPort}`);
      expect(counted.get("crossrole_pods")).toBeGreaterThanOrEqual(1);
      expect(counted.get("crossrole_watch_last_contact_seconds")).toBeLessThan(60);
    });
  });
});
