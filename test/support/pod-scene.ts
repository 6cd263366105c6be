/** @module The real daemon in front of a fake API server and a fake STS; pods are addresses of loopback. */
// Read before anybody asks: on a busy machine that alone takes longer than a request is held.
import "@aws-sdk/client-sts";
import { startDaemon } from "../../src/daemon.ts";
import type { Daemon } from "../../src/daemon.ts";
import { parseConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/types.ts";
import { verifyToken } from "../cluster/verify-token.ts";
import type { JsonWebKeySet } from "../cluster/verify-token.ts";
import { askAsSdk, memoryLog } from "./daemon.ts";
import { startFakeApiServer } from "./fake-api-server.ts";
import type { FakeApiServer, FakeApiServerOptions } from "./fake-api-server.ts";
import { startFakeSts } from "./fake-sts.ts";
import type { FakeSts } from "./fake-sts.ts";
import type { Response } from "./http.ts";

/** The account of the applications' first role, which pods assume with their tokens. */
export const GATEWAY = "arn:aws:iam::111111111111:role/gateway";
export const READER = "arn:aws:iam::222222222222:role/reader";
export const WRITER = "arn:aws:iam::333333333333:role/writer";

export interface PodScene extends AsyncDisposable {
  readonly api: FakeApiServer;
  readonly sts: FakeSts;
  readonly daemon: Daemon;
  readonly log: ReturnType<typeof memoryLog>;
  readonly url: string;
  /** A configuration with the scene's ways to STS and Kubernetes. */
  readonly configOf: (text?: string) => Config;
  /** A pod that runs, with an address. */
  addPod(
    name: string,
    address: string,
    more?: { serviceAccount?: string; namespace?: string },
  ): string;
  /** What an SDK in a process at `address` gets. */
  ask(address: string): Promise<Response>;
}

/** Two service accounts with a role each, and one with none. */
const ASSOCIATIONS = `
associations:
  - { namespace: team-a, serviceAccount: reader, role: reader }
  - { namespace: team-a, serviceAccount: writer, role: writer }
`;

export async function startPodScene(
  options: {
    /** The end of the configuration. Default: {@link ASSOCIATIONS}. */
    readonly rules?: string;
    /** More of its section `kubernetes`, a line of it. */
    readonly kubernetes?: string;
    readonly api?: FakeApiServerOptions;
  } = {},
): Promise<PodScene> {
  const api = await startFakeApiServer(options.api);
  const sts = await startFakeSts();
  addRoles(sts, api);
  const configOf = (text = options.rules ?? ASSOCIATIONS) =>
    configWith(sts, api, `  ${options.kubernetes ?? ""}\n${text}`);
  const log = memoryLog();
  const daemon = await startDaemon({
    config: configOf(),
    environment: process.env,
    hostname: "host",
    log,
    uid: process.getuid?.(),
    socketTables: undefined,
  });
  const url = daemon.podUrls[0] ?? "";
  return {
    api,
    sts,
    daemon,
    log,
    url,
    configOf,
    addPod: (name, address, { serviceAccount = "reader", namespace = "team-a" } = {}) => {
      api.world.addPod({ namespace, name, serviceAccount, node: "n1" });
      api.world.giveAddresses(namespace, name, [address]);
      return api.world.pods.get(`${namespace}/${name}`)?.metadata.uid ?? "";
    },
    ask: (address) => askAsSdk(url, address),
    [Symbol.asyncDispose]: async () => {
      await daemon.close();
      await sts.close();
      await api[Symbol.asyncDispose]();
    },
  };
}

/** The gateway trusts the cluster's tokens, as its OIDC provider would have it; the roles trust the gateway. */
function addRoles(sts: FakeSts, api: FakeApiServer): void {
  const isSigned = (token: string, subjects: RegExp) => {
    const keys = api.tokens.jwks() as JsonWebKeySet;
    const { issuer } = api.tokens;
    const expected = { issuer, audience: "sts.amazonaws.com", nowMs: Date.now() };
    return subjects.test(verifyToken(token, keys, expected).sub);
  };
  const webIdentity = (subjects: RegExp) => (token: string) => isSigned(token, subjects);
  sts.addRole({ arn: GATEWAY, webIdentity: webIdentity(/^system:serviceaccount:team-a:/) });
  sts.addRole({
    arn: READER,
    webIdentity: webIdentity(/^system:serviceaccount:team-a:reader$/),
    maxSessionSeconds: 43_200,
  });
  sts.addRole({ arn: WRITER, trusts: [GATEWAY], externalId: "7f2c" });
}

function configWith(sts: FakeSts, api: FakeApiServer, rules: string): Config {
  const text = `
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
roles:
  reader: { arn: "${READER}" }
  writer: { arn: "${WRITER}", via: ["${GATEWAY}"], externalId: 7f2c }
listeners:
  - { address: "127.0.0.1:0", pods: true }
kubernetes:
  node: n1
  apiServer: { url: "${api.url}", caFile: "${api.caFile}", tokenFile: "${api.tokenFile}" }
${rules}`;
  const origin = { kind: "file", path: "test.yaml", settings: {} } as const;
  return parseConfig(origin, text, { flags: {}, environment: {}, hostname: "host" });
}
