/** @module The real daemon in this process, in front of a fake STS. */
import { vi } from "vitest";
import { procSocketTables } from "../../src/callers/proc-socket-tables.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/types.ts";
import { startDaemon } from "../../src/daemon.ts";
import type { Daemon } from "../../src/daemon.ts";
import type { Log, LogFields } from "../../src/log.ts";
import { request, tokenFrom } from "./http.ts";
import type { Response } from "./http.ts";
import { startFakeSts } from "./fake-sts.ts";
import type { FakeSts } from "./fake-sts.ts";

export const GATEWAY = "arn:aws:iam::111111111111:role/gateway";
export const ORDERS_READER = "arn:aws:iam::222222222222:role/orders-reader";

export interface LogLine {
  readonly level: keyof Log;
  readonly event: string;
  readonly fields: LogFields;
}

/** A log that keeps its lines. */
export function memoryLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const note =
    (level: keyof Log) =>
    (event: string, fields: LogFields = {}) =>
      void lines.push({ level, event, fields });
  return {
    lines,
    debug: note("debug"),
    info: note("info"),
    warn: note("warn"),
    error: note("error"),
  };
}

/** A configuration as text, checked as the program does it. */
export function configOf(text: string): Config {
  const origin = { kind: "file", path: "test.yaml", settings: {} } as const;
  return parseConfig(origin, text, { flags: {}, environment: {}, hostname: "host" });
}

/** One role behind a gateway, on a free port of loopback. */
export function oneRole(sts: FakeSts, more = ""): Config {
  return configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"] }
listeners:
  - { address: "127.0.0.1:0", role: orders-reader }
${more}`);
}

/** A fake STS that knows both roles, and a base key in this process's environment. */
export async function startSts(): Promise<FakeSts> {
  const sts = await startFakeSts();
  const key = sts.addKey();
  vi.stubEnv("AWS_ACCESS_KEY_ID", key.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", key.secretAccessKey);
  vi.stubEnv("AWS_SESSION_TOKEN", undefined);
  sts.addRole({ arn: GATEWAY });
  sts.addRole({ arn: ORDERS_READER, trusts: [GATEWAY] });
  return sts;
}

export interface Started {
  readonly daemon: Daemon;
  readonly log: ReturnType<typeof memoryLog>;
  readonly url: string;
}

export async function start(config: Config): Promise<Started> {
  const log = memoryLog();
  const daemon = await startDaemon({
    config,
    environment: process.env,
    hostname: "host",
    log,
    uid: process.getuid?.(),
    socketTables: await procSocketTables(),
  });
  return { daemon, log, url: daemon.served[0]?.url ?? "" };
}

/** The three requests of an SDK, each on a connection of its own; the answer of the last one that was made. */
export async function askAsSdk(url: string, from?: string): Promise<Response> {
  const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url, 21_600, from) };
  const list = "/latest/meta-data/iam/security-credentials/";
  const role = await request(url, list, { headers, from });
  return role.status === 200 ? await request(url, `${list}${role.body}`, { headers, from }) : role;
}

/** The access key id that an SDK is given. */
export async function accessKeyIdFrom(url: string): Promise<string> {
  const { status, body } = await askAsSdk(url);
  if (status !== 200) throw new Error(`the daemon answered ${status}`);
  const { AccessKeyId } = JSON.parse(body) as { AccessKeyId: string };
  return AccessKeyId;
}
