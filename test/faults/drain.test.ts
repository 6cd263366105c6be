import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { oneRole, start, startSts } from "../support/daemon.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";

const PATH = "/latest/meta-data/iam/security-credentials/orders-reader";

let sts: FakeSts;
beforeEach(async () => {
  sts = await startSts();
});
afterEach(async () => {
  await sts.close();
  vi.unstubAllEnvs();
});

it("a daemon that closes gives what it holds to whoever has asked before", async () => {
  const { daemon, url } = await start(oneRole(sts));
  await daemon.credentials("orders-reader");
  const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
  // Whose each of these connections is has yet to be found out when the daemon closes.
  const asked = Array.from({ length: 50 }, () => request(url, PATH, { headers }));
  await Promise.race(asked);

  await daemon.close();
  const answers = await Promise.allSettled(asked);

  const statuses = answers.flatMap((one) => (one.status === "fulfilled" ? one.value.status : []));
  expect(new Set(statuses)).toEqual(new Set([200]));
});

it("a daemon that closes waits for STS on behalf of whoever has asked before", async () => {
  sts.fault({ kind: "delay", ms: 100 });
  const { daemon, url } = await start(oneRole(sts));
  const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
  const asked = Array.from({ length: 20 }, () => request(url, PATH, { headers }));
  // Answered behind them, so that they have arrived.
  await request(url, "/", { headers });
  await sts.called(1);

  await daemon.close();

  expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
});
