/** @module A daemon with something of everything to see: roles in every state, chains, callers, pods, refusals. */
import { procSocketTables } from "../../src/callers/proc-socket-tables.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/types.ts";
import { startDaemon } from "../../src/daemon.ts";
import type { Daemon } from "../../src/daemon.ts";
import { createLog } from "../../src/log.ts";
import { startFakeApiServer } from "../support/fake-api-server.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";
import { freePort } from "../support/free-port.ts";

const ARNS = {
  gateway: "arn:aws:iam::111111111111:role/gateway",
  transit: "arn:aws:iam::333333333333:role/shared/transit",
  reader: "arn:aws:iam::222222222222:role/orders-reader",
  invoices: "arn:aws:iam::444444444444:role/finance/invoices",
  payroll: "arn:aws:iam::555555555555:role/payroll",
  pod: "arn:aws:iam::222222222222:role/pod-reader",
} as const;

/** What a page must show as text: whoever deploys a pod or asks for a path chooses it. */
export const MARKUP = `<img src=x onerror=alert(1)>"'&`;

export interface StatusScene extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly sts: FakeSts;
  readonly api: FakeApiServer;
  /** The operations listener. */
  readonly url: string;
  readonly config: Config;
  /** Whatever must not reach the page. */
  readonly secrets: () => string[];
  /** A new daemon in the place of one that was closed. */
  restart(): Promise<void>;
  /** The first listener gives out credentials, to the user who runs this. */
  ask(): Promise<number>;
}

export async function startStatusScene(): Promise<StatusScene> {
  const [sts, api] = [await startFakeSts(), await startFakeApiServer()];
  const key = sts.addKey();
  for (const arn of [ARNS.gateway, ARNS.reader]) sts.addRole({ arn });
  sts.addRole({ arn: ARNS.transit, externalId: "EXTERNAL-ID" });
  sts.addRole({ arn: ARNS.invoices, trusts: [ARNS.transit], externalId: "EXTERNAL-ID" });
  sts.addRole({ arn: ARNS.payroll, trusts: [] });
  sts.addRole({ arn: ARNS.pod, webIdentity: () => true });
  const port = await freePort();
  const config = configOf({ sts, api, port });
  addPods(api);
  // The SDK looks for a base of the environment there, and nowhere else.
  process.env["AWS_ACCESS_KEY_ID"] = key.accessKeyId;
  process.env["AWS_SECRET_ACCESS_KEY"] = key.secretAccessKey;
  delete process.env["AWS_SESSION_TOKEN"];
  const options = {
    config,
    environment: process.env,
    hostname: "ip-10-0-12-34",
    versions: { crossrole: "0.1.0", node: process.version },
    log: createLog("silent", { write: () => undefined }),
    uid: process.getuid?.(),
    socketTables: await procSocketTables(),
  };
  let daemon = await startDaemon(options);
  const listener = daemon.served[0]?.url ?? "";
  return {
    get daemon() {
      return daemon;
    },
    restart: async () => {
      daemon = await startDaemon(options);
    },
    sts,
    api,
    config,
    url: `http://127.0.0.1:${port}`,
    secrets: () => [
      key.secretAccessKey,
      "EXTERNAL-ID",
      ...sts.issued.flatMap(({ secretAccessKey, sessionToken }) => [secretAccessKey, sessionToken]),
    ],
    ask: async () => {
      const headers = { "x-aws-ec2-metadata-token": await tokenFrom(listener) };
      const path = "/latest/meta-data/iam/security-credentials/orders-reader";
      return (await request(listener, path, { headers })).status;
    },
    [Symbol.asyncDispose]: async () => {
      await daemon.close();
      await sts.close();
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Three pods: one that is served, one whose role is refused by its name's absence, one that is no business of ours. */
function addPods({ world }: FakeApiServer): void {
  for (const [name, serviceAccount, address] of [
    ["orders-web-7c9f4b6d8-x2vqk", "reader", "127.0.0.21"],
    ["payroll-0", "payroll", "127.0.0.22"],
    ["kube-proxy-8mzxw", "kube-proxy", "127.0.0.23"],
  ] as const) {
    world.addPod({ namespace: "orders", name, serviceAccount, node: "n1" });
    world.giveAddresses("orders", name, [address]);
  }
}

function configOf({
  sts,
  api,
  port,
}: {
  readonly sts: FakeSts;
  readonly api: FakeApiServer;
  readonly port: number;
}): Config {
  const text = `
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ARNS.reader}", base: hub, via: ["${ARNS.gateway}"] }
  invoices:
    arn: "${ARNS.invoices}"
    base: hub
    externalId: EXTERNAL-ID
    via: ["${ARNS.gateway}", { arn: "${ARNS.transit}", externalId: EXTERNAL-ID }]
  payroll: { arn: "${ARNS.payroll}", base: hub, via: ["${ARNS.gateway}"] }
  pod-reader: { arn: "${ARNS.pod}" }
  pod-payroll: { arn: "${ARNS.payroll}" }
listeners:
  - { address: "127.0.0.1:0", role: orders-reader }
  - { address: "127.0.0.1:0", roles: [invoices, payroll] }
  - { address: "127.0.0.1:0", pods: true }
associations:
  - { namespace: orders, serviceAccount: reader, role: pod-reader }
  - { namespace: orders, serviceAccount: payroll, role: pod-payroll }
kubernetes:
  node: n1
  apiServer: { url: "${api.url}", caFile: "${api.caFile}", tokenFile: "${api.tokenFile}" }
operations: { address: "127.0.0.1:${port}" }
`;
  const origin = { kind: "file", path: "crossrole.yaml", settings: {} } as const;
  return parseConfig(origin, text, { flags: {}, environment: {}, hostname: "host" });
}
