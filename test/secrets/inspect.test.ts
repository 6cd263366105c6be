import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CredentialEvent } from "../../src/credentials/types.ts";
import { CredentialCache } from "../../src/credentials/cache.ts";
import { Entry } from "../../src/credentials/entry.ts";
import { loadBaseWith } from "../../src/sts/base-credentials.ts";
import { assumeRoleWith } from "../../src/sts/assume-role.ts";
import { connectSts } from "../../src/sts/sts-client.ts";
import type { Daemon } from "../../src/daemon.ts";
import { ordersReader, temporaryCredentials } from "../support/credentials.ts";
import { GATEWAY, ORDERS_READER, askAsSdk, oneRole, start, startSts } from "../support/daemon.ts";
import type { FakeSts, FaultKind } from "../support/fake-sts.ts";
import { leakIn } from "./support.ts";

let sts: FakeSts;
const running: Pick<Daemon, "close">[] = [];

beforeEach(async () => {
  sts = await startSts();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.close()));
  await sts.close();
  vi.unstubAllEnvs();
});

/** Everything that can be made to show of `value`: hidden fields, getters, causes, JSON, the spread. */
function everythingIn(value: unknown): string {
  const deep = { showHidden: true, depth: Infinity, getters: true, maxStringLength: Infinity };
  const spread = typeof value === "object" ? { ...value } : value;
  return [inspect(value, deep), inspect(spread, deep), JSON.stringify(value), String(value)].join();
}

const FAULTS: readonly FaultKind[] = [
  { kind: "reset" },
  { kind: "cut" },
  { kind: "throttle" },
  { kind: "accessDenied" },
  { kind: "unavailable" },
  { kind: "truncatedXml" },
  { kind: "html" },
  { kind: "noCredentials" },
  { kind: "emptyFields", fields: ["AccessKeyId"] },
  { kind: "emptyFields", fields: ["Expiration"] },
  { kind: "pastExpiration" },
  { kind: "redirect" },
];

describe("no inspection shows a secret", () => {
  it("of a daemon that serves, and of its log", async () => {
    const { daemon, log, url } = await start(oneRole(sts));
    running.push(daemon);
    await daemon.credentials("orders-reader");
    await askAsSdk(url);

    expect(leakIn(everythingIn(daemon))).toBe(undefined);
    expect(leakIn(everythingIn(log.lines))).toBe(undefined);
  });

  it("of a daemon that is closed", async () => {
    const { daemon } = await start(oneRole(sts));
    await daemon.credentials("orders-reader");
    await daemon.close();

    expect(leakIn(everythingIn(daemon))).toBe(undefined);
  });

  it("of the credentials that are handed to the faces", async () => {
    const { daemon } = await start(oneRole(sts));
    running.push(daemon);

    const credentials = await daemon.credentials("orders-reader");

    expect(leakIn(credentials.secretAccessKey)).toBeDefined();
    expect(leakIn(everythingIn(credentials))).toBe(undefined);
  });

  it("of an entry of the cache, with what it holds and how it failed last", () => {
    const now = { wallMs: Date.now(), monotonicMs: 0 };
    const entry = new Entry(ordersReader, now);
    entry.hold(temporaryCredentials({ expiration: new Date(now.wallMs + 3_600_000) }), now, 0);
    entry.fail(new Error("gone"), now, 0);

    expect(leakIn(everythingIn(entry))).toBe(undefined);
  });

  it("of the cache and its events, whatever STS does", async () => {
    const events: CredentialEvent[] = [];
    const { callSts } = connectSts({ endpoint: sts.url, onSkew: () => undefined });
    const cache = new CredentialCache({
      assumeRole: assumeRoleWith(callSts),
      assumeRoleOfPod: () => Promise.reject(new TypeError("there are no pods here")),
      loadBase: loadBaseWith({ callSts, environment: process.env }),
      now: () => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
      random: Math.random,
      onEvent: (event) => void events.push(event),
      callsPerSecond: 1000,
      burst: 1000,
    });
    const base = { ...ordersReader.source, provider: { kind: "environment" } } as const;
    sts.addRole({ arn: GATEWAY });
    for (const fault of FAULTS) sts.fault({ ...fault, times: 1 });
    for (let turn = 0; turn <= FAULTS.length; turn++) {
      const session = { ...ordersReader, source: base, roleArn: GATEWAY, sessionName: `s${turn}` };
      await Promise.allSettled([cache.get(session, { holdMs: 5_000 })]);
    }

    expect(events.filter(({ type }) => type === "failed")).toHaveLength(FAULTS.length);
    expect(events.filter(({ type }) => type === "obtained")).toHaveLength(2);
    expect(leakIn(everythingIn([cache, events]))).toBe(undefined);
    cache.close();
  });

  it.each(FAULTS)("of what is thrown after $kind $fields, and of its causes", async (fault) => {
    sts.fault({ ...fault, roleArn: ORDERS_READER });
    const { daemon, log } = await start(oneRole(sts));
    running.push(daemon);

    const error: unknown = await daemon
      .credentials("orders-reader")
      .catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(Error);
    expect(leakIn(everythingIn(error))).toBe(undefined);
    expect(leakIn(everythingIn(log.lines))).toBe(undefined);
  });

  // AWS quotes the request that it would have signed, and in it the session token of the signer.
  it("of what is thrown when STS quotes the signed request", async () => {
    const { daemon } = await start(oneRole(sts));
    running.push(daemon);
    await daemon.credentials("orders-reader");
    const [gateway] = sts.issued;
    sts.fault({
      kind: "error",
      status: 403,
      code: "SignatureDoesNotMatch",
      message: `The Canonical String for this request should have been 'POST\n/\n\nx-amz-security-token:${gateway?.sessionToken}\n'`,
    });
    const config = oneRole(sts);
    const roles = [...config.roles].map(
      ([name, role]) => [name, { ...role, sessionName: "another" }] as const,
    );
    await daemon.reload({ ...config, roles: new Map(roles) });

    const error: unknown = await daemon
      .credentials("orders-reader")
      .catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(Error);
    expect(leakIn(everythingIn(error))).toBe(undefined);
  });
});
