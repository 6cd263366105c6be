import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { configOf, GATEWAY, ORDERS_READER, start, startSts } from "../support/daemon.ts";
import type { Started } from "../support/daemon.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request } from "../support/http.ts";
import { startPodScene } from "../support/pod-scene.ts";
import { eventually } from "../support/program.ts";
import { freePort } from "../support/free-port.ts";

const INVOICES = "arn:aws:iam::222222222222:role/invoices";

let sts: FakeSts;
let started: Started | undefined;
let operations: string;
let port: number;

beforeEach(async () => {
  sts = await startSts();
  sts.addRole({ arn: INVOICES });
  port = await freePort();
  operations = `http://127.0.0.1:${port}`;
});

afterEach(async () => {
  await started?.daemon.close();
  started = undefined;
  await sts.close();
  vi.unstubAllEnvs();
});

/** Two roles of which one is served, unless the listener says otherwise. */
function config(served = "orders-reader") {
  return configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"] }
  invoices: { arn: "${INVOICES}", base: hub }
listeners:
  - { address: "127.0.0.1:0", roles: [${served}] }
operations: { address: "127.0.0.1:${port}" }
`);
}

const ready = (role = "") => request(operations, `/readyz${role}`);

describe("/readyz", () => {
  it("says no until every role that is served has been obtained once, and which is missing", async () => {
    sts.fault({ kind: "accessDenied", roleArn: INVOICES });
    started = await start(config("orders-reader, invoices"));
    await eventually(async () => expect((await ready("/orders-reader")).status).toBe(200));
    await eventually(async () => {
      const { status, body } = await ready();
      expect(status).toBe(503);
      expect(body).toMatch(
        /^role invoices has not been obtained yet: STS refused AssumeRole of .*invoices/,
      );
    });
    expect((await ready("/invoices")).status).toBe(503);

    sts.heal();

    await eventually(async () =>
      expect(await ready()).toMatchObject({ status: 200, body: "ok\n" }),
    );
    expect(await ready("/invoices")).toMatchObject({ status: 200, body: "ok\n" });
  });

  it("asks for no role that no listener serves, and knows none", async () => {
    sts.fault({ kind: "accessDenied", roleArn: INVOICES });
    started = await start(config());

    await eventually(async () => expect((await ready()).status).toBe(200));
    for (const role of ["/invoices", "/nothing", "/", "/orders-reader/x", "/%zz"]) {
      expect((await ready(role)).status).toBe(role === "/" ? 200 : 404);
    }
    expect((await ready("/orders%2Dreader")).status).toBe(200);
  });

  it("stays while STS is away, and while what was held has expired", async () => {
    sts.lifeSeconds = 2;
    started = await start(config());
    await eventually(async () => expect((await ready()).status).toBe(200));
    sts.fault({ kind: "unavailable" });
    await eventually(async () => {
      // Asked for: a session that nobody wants is let go, and has not failed.
      await started?.daemon.credentials("orders-reader").catch(() => undefined);
      expect(started?.log.lines.map(({ event }) => event)).toContain("credentials not obtained");
    });

    expect((await ready()).status).toBe(200);
    expect((await request(operations, "/healthz")).status).toBe(200);
  });

  it("says no to a role that a reload has brought, until that one is there", async () => {
    started = await start(config());
    await eventually(async () => expect((await ready()).status).toBe(200));
    sts.fault({ kind: "accessDenied", roleArn: INVOICES });

    await started.daemon.reload(config("orders-reader, invoices"));
    expect((await ready()).status).toBe(503);

    await started.daemon.reload(config());
    expect((await ready()).status).toBe(200);
  });

  it("says no until the pods of the node are known", async () => {
    const rules = `operations: { address: "127.0.0.1:${port}" }`;
    await using scene = await startPodScene({ rules });
    await eventually(async () => expect((await ready()).status).toBe(200));
    scene.api.fault({ kind: "blackHole" });

    await using late = await startLate(scene.configOf);
    expect(late.body).toBe("the pods of this node are not known yet\n");
  });
});

/** A second daemon before an API server that says nothing. */
async function startLate(configFor: (text: string) => ReturnType<typeof configOf>) {
  const latePort = await freePort();
  const late = await start(configFor(`operations: { address: "127.0.0.1:${latePort}" }`));
  const { body } = await request(`http://127.0.0.1:${latePort}`, "/readyz");
  return { body, [Symbol.asyncDispose]: () => late.daemon.close() };
}
