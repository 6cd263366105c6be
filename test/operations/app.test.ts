import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  GATEWAY,
  ORDERS_READER,
  oneRole,
  start as startWith,
  startSts,
} from "../support/daemon.ts";
import { CANARY } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";
import { freePort } from "../support/free-port.ts";
import { samplesAt } from "./support.ts";

const LIST = "/latest/meta-data/iam/security-credentials/";

let sts: FakeSts;
let started: Awaited<ReturnType<typeof startWith>>;
let operations: string;

const withOperations = () =>
  oneRole(sts, `operations: { address: "${operations.slice("http://".length)}" }`);

beforeEach(async () => {
  sts = await startSts();
  operations = `http://127.0.0.1:${await freePort()}`;
  started = await startWith(withOperations());
});

afterEach(async () => {
  await started.daemon.close();
  await sts.close();
  vi.unstubAllEnvs();
});

const samples = () => samplesAt(operations);

const refused = (code: string, listener = "127.0.0.1:0#0") =>
  `crossrole_requests_refused_total{listener="${listener}",code="${code}"}`;
const attempts = (source: string, outcome: string) =>
  `crossrole_credential_attempts_total{source="${source}",outcome="${outcome}"}`;
const expiration = (source: string) =>
  `crossrole_credentials_expiration_timestamp_seconds{source="${source}"}`;

/** When what STS issued for `arn` expires, in seconds since the epoch. */
function endOf(arn: string): number {
  const issued = sts.issued.find(({ roleArn }) => roleArn === arn);
  return (issued?.expiration.getTime() ?? 0) / 1000;
}

describe("/healthz", () => {
  it.each(["blackHole", "reset", "accessDenied"] as const)(
    "is 200 while STS has never answered but with %s",
    async (kind) => {
      await started.daemon.close();
      sts.fault({ kind });
      started = await startWith(withOperations());
      await sts.called(1);

      expect(await request(operations, "/healthz")).toMatchObject({ status: 200, body: "ok\n" });
      expect((await request(operations, "/healthz", { method: "HEAD" })).status).toBe(200);
    },
  );
});

describe("/healthz, while STS is silent,", () => {
  it("is answered before STS's call has ended in any way", async () => {
    await started.daemon.close();
    sts.fault({ kind: "blackHole" });
    started = await startWith(withOperations());
    await sts.called(1);

    expect((await request(operations, "/healthz")).status).toBe(200);
    const ended = [...(await samples())].filter(([name]) =>
      name.includes(`attempts_total{source="${GATEWAY}"`),
    );
    expect(ended.filter(([, count]) => count > 0)).toEqual([]);
  });
});

describe("/metrics", () => {
  it("is Prometheus's text format", async () => {
    const { status, headers, body } = await request(operations, "/metrics");

    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(body).toContain("# TYPE crossrole_requests_refused_total counter");
  });

  it("counts refusals by listener and code", async () => {
    const { url } = started;
    await request(url, LIST);
    await request(url, LIST);
    await request(url, LIST, { headers: { host: "evil.example" } });
    await request(url, LIST, { headers: { "x-forwarded-for": "10.0.0.1" } });
    await request(url, "/latest/api/token", { method: "PUT" });
    await request(operations, "/metrics", { headers: { origin: "http://evil.example" } });
    const counted = await samples();

    expect(counted.get(refused("ERR_TOKEN_INVALID"))).toBe(2);
    expect(counted.get(refused("ERR_HOST_REFUSED"))).toBe(1);
    expect(counted.get(refused("ERR_FORWARDED_REQUEST"))).toBe(1);
    expect(counted.get(refused("ERR_TOKEN_TTL_INVALID"))).toBe(1);
    expect(counted.get(refused("ERR_FORWARDED_REQUEST", "operations"))).toBe(1);
  });

  it("counts attempts by source and outcome, and says when what is held expires", async () => {
    await started.daemon.credentials("orders-reader");
    const counted = await samples();
    expect(counted.get(attempts(GATEWAY, "ok"))).toBe(1);
    expect(counted.get(attempts(ORDERS_READER, "ok"))).toBe(1);
    expect(counted.get(expiration(ORDERS_READER))).toBeCloseTo(endOf(ORDERS_READER), -1);
    expect(counted.get(expiration(GATEWAY))).toBeCloseTo(endOf(GATEWAY), -1);
  });

  it("counts what STS denied by our code, and tells of no expiration then", async () => {
    await started.daemon.close();
    sts.fault({ kind: "accessDenied" });
    started = await startWith(withOperations());
    await expect(started.daemon.credentials("orders-reader")).rejects.toMatchObject({
      code: "ERR_ROLE_DENIED",
    });
    const counted = await samples();

    expect(counted.get(attempts(GATEWAY, "ERR_ROLE_DENIED"))).toBeGreaterThanOrEqual(1);
    expect([...counted.keys()].filter((name) => name.includes("expiration"))).toEqual([]);
  });

  it("counts reloads, taken over and refused", async () => {
    await started.daemon.reload(withOperations());
    started.daemon.refusedReload(new Error("no"));
    const counted = await samples();

    expect(counted.get('crossrole_config_reloads_total{outcome="ok"}')).toBe(2);
    expect(counted.get('crossrole_config_reloads_total{outcome="refused"}')).toBe(1);
  });

  it("grows by nothing that a caller can make up", async () => {
    await started.daemon.credentials("orders-reader");
    const ask = async (index: number) => {
      const headers = {
        "user-agent": `agent-${index}`,
        "x-aws-ec2-metadata-token": `token-${index}`,
      };
      await request(started.url, `/path-${index}`, { headers, method: "GET" });
      await request(operations, `/path-${index}`);
      await request(operations, `/readyz/path-${index}`);
      return [...(await samples()).keys()];
    };
    const before = await ask(0);
    for (let index = 1; index < 50; index++) await ask(index);

    expect((await samples()).size).toBe(before.length + 1);
    expect([...(await samples()).keys()].filter((key) => !before.includes(key))).toEqual([
      'crossrole_http_requests_total{route="metrics",status="200"}',
    ]);
  });

  it("holds no secret, of the base, of STS or of a token", async () => {
    await started.daemon.credentials("orders-reader");
    const token = await tokenFrom(started.url);
    const headers = { "x-aws-ec2-metadata-token": token };
    const { body: document } = await request(started.url, `${LIST}orders-reader`, { headers });
    sts.fault({ kind: "accessDenied", message: `${CANARY} in STS's own words` });
    const { body } = await request(operations, "/metrics");

    expect(document).toContain(CANARY);
    expect(body).not.toContain(CANARY);
    expect(body).not.toContain(token);
    expect(body).not.toContain(process.env["AWS_SECRET_ACCESS_KEY"]);
  });
});

describe("the operations listener", () => {
  it.each([
    "/latest",
    LIST,
    `${LIST}orders-reader`,
    "/latest/api/token",
    "/roles/orders-reader/latest/api/token",
    "/container/orders-reader",
    "/v1/credentials",
    "/healthz/x",
    "/metrics?x",
    "/%68ealthz",
  ])("has no %s, by any method, with any token", async (target) => {
    const token = await tokenFrom(started.url);
    const headers = {
      "x-aws-ec2-metadata-token": token,
      "x-aws-ec2-metadata-token-ttl-seconds": "60",
      authorization: token,
    };
    for (const method of ["GET", "HEAD", "PUT", "POST", "DELETE"]) {
      const { status, body } = await request(operations, target, { method, headers });
      expect(status).toBe(404);
      expect(["not found\n", ""]).toContain(body);
    }
  });

  it.each(["PUT", "POST", "DELETE", "PATCH"])("changes nothing by %s", async (method) => {
    for (const target of ["/healthz", "/metrics"]) {
      expect(await request(operations, target, { method })).toMatchObject({ status: 405 });
    }
  });

  it("is guarded as the others are", async () => {
    for (const headers of [
      { host: "evil.example" },
      { origin: "http://127.0.0.1" },
      { cookie: "a=b" },
      { "sec-fetch-site": "none" },
      { "x-forwarded-for": "10.0.0.1" },
      { via: "1.1 proxy" },
    ]) {
      for (const target of ["/metrics", "/healthz"]) {
        expect(await request(operations, target, { headers })).toMatchObject({
          status: 403,
          body: "",
          headers: { connection: "close" },
        });
      }
    }
  });

  it("is not reached through the listener of a role", async () => {
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(started.url) };
    for (const target of ["/healthz", "/metrics"]) {
      expect(await request(started.url, target)).toMatchObject({ status: 401, body: "" });
      expect(await request(started.url, target, { headers })).toMatchObject({
        status: 404,
        body: "",
      });
    }
  });

  it("is not there when nobody asked for it", async () => {
    await started.daemon.close();
    started = await startWith(oneRole(sts));

    await expect(request(operations, "/healthz")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});
