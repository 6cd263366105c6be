import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  GATEWAY,
  ORDERS_READER,
  configOf,
  start as startWith,
  startSts,
} from "./support/daemon.ts";
import type { FakeSts } from "./support/fake-sts.ts";
import { request, tokenFrom } from "./support/http.ts";
import { freePort } from "./support/free-port.ts";

const LIST = "/latest/meta-data/iam/security-credentials/";

let sts: FakeSts;
let started: Awaited<ReturnType<typeof startWith>>;
/** Of the role that opted in, and of the one that did not. */
let url: string;
let strict: string;
let operations: string;

beforeEach(async () => {
  sts = await startSts();
  operations = `http://127.0.0.1:${await freePort()}`;
  started = await startWith(
    configOf(`
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  legacy: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"], imdsV1: true }
  strict: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"], imdsV1: false }
listeners:
  - { address: "127.0.0.1:0", role: legacy }
  - { address: "127.0.0.1:0", role: strict }
  - { address: "127.0.0.1:0", roles: [legacy, strict] }
operations: { address: "${operations.slice("http://".length)}" }
`),
  );
  await started.daemon.credentials("legacy");
  const [first, second] = started.daemon.served;
  url = first?.url ?? "";
  strict = second?.url ?? "";
});

afterEach(async () => {
  await started.daemon.close();
  await sts.close();
  vi.unstubAllEnvs();
});

/** How many requests of `role` were served without a token, as Prometheus reads it. */
async function counted(role: string): Promise<number> {
  const { body } = await request(operations, "/metrics");
  const line = new RegExp(`^crossrole_imdsv1_requests_total\\{role="${role}"\\} (\\d+)$`, "m");
  return Number(line.exec(body)?.[1] ?? 0);
}

describe("a role that opted in to IMDSv1", () => {
  it("gives boto 2 its credentials: list, then credentials, no token, each request counted", async () => {
    const list = await request(url, LIST);
    const { status, body } = await request(url, `${LIST}${list.body}`);

    expect(list).toMatchObject({ status: 200, body: "legacy" });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      Code: "Success",
      AccessKeyId: sts.issued.find(({ roleArn }) => roleArn === ORDERS_READER)?.accessKeyId,
    });
    expect(await counted("legacy")).toBe(2);
  });

  it("answers HEAD and the rest of the tree, the root of Fluent Bit too", async () => {
    expect(await request(url, "/")).toMatchObject({ status: 200, body: "latest" });
    expect(await request(url, LIST, { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
    expect(await request(url, "/latest/dynamic/instance-identity/document")).toMatchObject({
      status: 200,
    });
    expect(await request(url, "/latest/user-data")).toMatchObject({ status: 404, body: "" });
    expect(await counted("legacy")).toBe(4);
  });

  it("still refuses a token that is wrong, so that its owner asks for another", async () => {
    for (const token of ["", "INVALID", `${await tokenFrom(url)}x`, await tokenFrom(strict)]) {
      const headers = { "x-aws-ec2-metadata-token": token };
      expect(await request(url, LIST, { headers })).toMatchObject({ status: 401, body: "" });
      expect(await request(url, "/", { headers })).toMatchObject({ status: 401, body: "" });
    }
    expect(await counted("legacy")).toBe(0);
  });

  it("still serves IMDSv2, and does not count it", async () => {
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };

    expect(await request(url, LIST, { headers })).toMatchObject({ status: 200, body: "legacy" });
    expect(await counted("legacy")).toBe(0);
  });

  it.each(["PUT", "POST", "DELETE", "PATCH", "OPTIONS"])(
    "refuses %s without a token",
    async (method) => {
      for (const target of [LIST, `${LIST}legacy`, "/"]) {
        expect(await request(url, target, { method })).toMatchObject({ status: 401, body: "" });
      }
      expect(await counted("legacy")).toBe(0);
    },
  );

  it("is still a matter of Host and forwarding headers", async () => {
    for (const headers of [{ host: "evil.example" }, { "x-forwarded-for": "10.0.0.1" }]) {
      expect(await request(url, `${LIST}legacy`, { headers })).toMatchObject({
        status: 403,
        body: "",
      });
    }
    expect(await counted("legacy")).toBe(0);
  });
});

describe("a role that did not opt in", () => {
  it("is 401 without a token, whatever is asked for, and nothing is counted", async () => {
    for (const target of ["/", LIST, `${LIST}strict`, `${LIST}legacy`, "/latest/user-data"]) {
      expect(await request(strict, target)).toMatchObject({ status: 401, body: "" });
    }
    expect(await counted("strict")).toBe(0);
  });

  it("is not opened by another that did, on a listener with both", async () => {
    const both = started.daemon.served.at(-1)?.url ?? "";

    expect(await request(both, `/roles/legacy${LIST}legacy`)).toMatchObject({ status: 200 });
    expect(await request(both, `/roles/strict${LIST}strict`)).toMatchObject({ status: 401 });
    expect(await request(both, `/roles/legacy${LIST}strict`)).toMatchObject({ status: 404 });
    expect(await request(both, LIST)).toMatchObject({ status: 404, body: "" });
    expect([await counted("legacy"), await counted("strict")]).toEqual([2, 0]);
  });
});
