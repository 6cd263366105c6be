import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Config } from "../../src/config/types.ts";
import type { Daemon } from "../../src/daemon.ts";
import { GATEWAY, ORDERS_READER, configOf, start, startSts } from "../support/daemon.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { Load } from "./clients.ts";

const INVOICES = "arn:aws:iam::222222222222:role/invoices";
const TIMES = 30;

let sts: FakeSts;
let daemon: Daemon;
let load: Load;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  sts = await startSts();
  sts.addRole({ arn: INVOICES });
  const started = await start(config());
  daemon = started.daemon;
  await daemon.credentials("orders-reader");
  const url = () => started.url;
  load = new Load({ url, issued: () => sts.issued, roleArn: ORDERS_READER });
  stop = new AbortController();
  running = load.run(stop.signal);
});

afterEach(async () => {
  await stopLoad();
  load.close();
  await daemon.close();
  await sts.close();
  vi.unstubAllEnvs();
});

async function stopLoad(): Promise<void> {
  stop.abort();
  await running;
}

/** One role behind a gateway for every user, and what else there is. */
function config({ more = "", listener = "", sessionName = "orders" } = {}): Config {
  return configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"], sessionName: ${sessionName} }
  ${more}
listeners:
  - { address: "127.0.0.1:0", role: orders-reader, allowUsers: any }
  ${listener}
`);
}

/** Waits until the clients have been answered some more. */
async function answered(more: number): Promise<void> {
  const before = load.answers;
  await vi.waitUntil(() => load.answers >= before + more, { timeout: 10_000, interval: 1 });
}

function callsFor(roleArn: string): number {
  return sts.calls.filter(({ parameters }) => parameters["RoleArn"] === roleArn).length;
}

describe("under load, the configuration is reloaded", () => {
  it("and says the same: nobody sees it, and STS is not asked", async () => {
    for (let turn = 0; turn < TIMES; turn++) {
      await daemon.reload(config());
      await answered(4);
    }
    await stopLoad();

    expect(load.errors).toEqual([]);
    expect(sts.calls).toHaveLength(2);
  });

  it("and another role comes and goes, with its listener: it alone is asked for, once each time", async () => {
    const both = config({
      more: `invoices: { arn: "${INVOICES}", base: hub }`,
      listener: `- { address: "127.0.0.1:0", role: invoices }`,
    });
    for (let turn = 0; turn < TIMES; turn++) {
      await daemon.reload(both);
      await daemon.credentials("invoices");
      await answered(4);
      await daemon.reload(config());
    }
    await stopLoad();

    expect(load.errors).toEqual([]);
    expect(callsFor(INVOICES)).toBe(TIMES);
    expect(callsFor(ORDERS_READER)).toBe(1);
    expect(callsFor(GATEWAY)).toBe(1);
  });

  it("and what is asked of STS changes: the new session is there when the old one goes, at one call", async () => {
    for (let turn = 0; turn < TIMES; turn++) {
      await daemon.reload(config({ sessionName: `orders-${turn}` }));
      await answered(8);
    }
    await stopLoad();

    expect(load.errors).toEqual([]);
    expect(callsFor(ORDERS_READER)).toBe(1 + TIMES);
    expect(callsFor(GATEWAY)).toBe(1);
  });

  it("and cannot be taken over: nobody sees it", async () => {
    const port = new URL(sts.url).port;
    const taken = config({ listener: `- { address: "127.0.0.1:${port}", role: orders-reader }` });
    for (let turn = 0; turn < TIMES; turn++) {
      await expect(daemon.reload(taken)).rejects.toMatchObject({ code: "ERR_LISTEN_FAILED" });
      await answered(4);
    }
    await stopLoad();

    expect(load.errors).toEqual([]);
    expect(sts.calls).toHaveLength(2);
  });
});
