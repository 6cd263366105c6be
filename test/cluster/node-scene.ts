/**
 * @module A node with everything that a real one has: an API server with the chart's rights, an STS that
 * verifies tokens by signature, pods in network namespaces, the redirect, and the daemon.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject } from "vitest";
import type { Program } from "../clients/program.ts";
import { until } from "../clients/until.ts";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { applyAll } from "./apply.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { createDaemonPod } from "./daemon-pod.ts";
import { NAMESPACE, render } from "./helm.ts";
import { nodeNetwork } from "./namespaces.ts";
import type { NodeNetwork, Pod as NetworkPod } from "./namespaces.ts";
import { crossroleIn, startCrossroleIn } from "./namespaces-program.ts";
import {
  createNamespace,
  createNode,
  createPod,
  createServiceAccount,
  setPodStatus,
} from "./objects.ts";
import type { PodObject } from "./objects.ts";
import { startS3 } from "./s3.ts";
import type { S3 } from "./s3.ts";
import { verifyToken } from "./verify-token.ts";

/** What the pods' tokens assume first. */
const GATEWAY = "arn:aws:iam::111111111111:role/gateway";
export const ROLE_A = "arn:aws:iam::222222222222:role/role-a";
export const ROLE_B = "arn:aws:iam::333333333333:role/role-b";

/** The one program that every pod runs: it knows nothing of roles, keys or endpoints. */
const LIST_BUCKET = `
import boto3
for object in boto3.client("s3").list_objects_v2(Bucket="orders")["Contents"]:
    print(object["Key"])
`;

export interface NodeSceneOptions {
  readonly access: "impersonation" | "rbac";
  /** What the daemon is put behind, like `setpriv`. */
  readonly behind?: readonly string[];
  /** More of the chart's values under `config`. */
  readonly config?: object;
}

export interface NodeScene extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly network: NodeNetwork;
  readonly sts: FakeSts;
  readonly s3: S3;
  readonly daemon: Program;
  /** Makes a place for one pod more, which reaches S3. */
  addPlace(options: Parameters<NodeNetwork["addPod"]>[0]): Promise<NetworkPod>;
  /** Makes the pod `team-a/NAME` that lives in `place`, and tells its address. */
  addPod(name: string, serviceAccount: string, place: NetworkPod): Promise<PodObject>;
  /**
   * Runs boto3 in `place`, in an environment of `variables` alone, and `behind` some command. @returns
   * what it prints. @throws Error with what it says when it fails.
   */
  listBucket(
    place: NetworkPod,
    options?: {
      readonly variables?: Readonly<Record<string, string>>;
      readonly behind?: readonly string[];
    },
  ): Promise<string>;
  /** What `crossrole check --pod team-a/NAME` prints on the node. */
  check(name: string): Promise<string>;
  /** The messages of the Events on the pod `team-a/NAME`. */
  eventsOf(name: string): Promise<string[]>;
  /** Another daemon in the place of the one that runs. */
  restartDaemon(): Promise<void>;
}

export async function startNodeScene(options: NodeSceneOptions): Promise<NodeScene> {
  const { access, config = {} } = options;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), "crossrole-node-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const plane = await startControlPlane();
  stack.defer(() => plane.stop());
  const sts = stack.use(await startFakeSts());
  const s3 = stack.use(await startS3(sts, ["2026/11/24.csv"]));
  const network = stack.use(await nodeNetwork());
  await createNode(plane, "n1");
  await createNamespace(plane, NAMESPACE);
  await createNamespace(plane, "team-a");
  for (const name of ["a", "b", "c"]) await createServiceAccount(plane, "team-a", name);
  await addRoles(sts, plane);
  const file = await installChart(plane, { access, config, folder, sts });
  await connect(network, { plane, sts, s3 });

  const start = async () => {
    const daemon = startCrossroleIn(network.node, ["serve", "--config", file], {
      behind: options.behind ?? [],
    });
    await daemon.said("stderr", /"msg":"watching pods"/);
    return daemon;
  };
  let daemon = await start();
  stack.defer(() => daemon.stop());
  const owned = stack.move();
  return {
    plane,
    network,
    sts,
    s3,
    get daemon() {
      return daemon;
    },
    addPlace: async (wanted) => {
      const place = await network.addPod(wanted);
      await place.namespace.relay(Number(new URL(s3.url).port));
      return place;
    },
    addPod: async (name, serviceAccount, { address, address6 }) => {
      const pod = await createPod(plane, { namespace: "team-a", name, serviceAccount, node: "n1" });
      await setPodStatus(plane, pod, { phase: "Running", addresses: [address, address6] });
      return pod;
    },
    check: async (name) => {
      const args = ["check", "--config", file, "--pod", `team-a/${name}`];
      return (await crossroleIn(network.node, args)).stdout;
    },
    listBucket: ({ namespace }, { variables = {}, behind = [] } = {}) => {
      const all = { AWS_ENDPOINT_URL_S3: s3.url, AWS_DEFAULT_REGION: "eu-west-1", ...variables };
      const environment = Object.entries({ HOME: "/none", ...all }).map((one) => one.join("="));
      const { python } = inject("clusterTools");
      return namespace.run([...behind, "env", "-i", ...environment, python, "-c", LIST_BUCKET]);
    },
    eventsOf: async (name) => {
      const events = `/api/v1/namespaces/team-a/events?fieldSelector=involvedObject.name=${name}`;
      return await until(`${name} has an Event`, async () => {
        const { body } = await plane.request<{ items: { message: string }[] }>("GET", events);
        return body.items.length > 0 ? body.items.map(({ message }) => message) : undefined;
      });
    },
    restartDaemon: async () => {
      await daemon.stop();
      daemon = await start();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The gateway trusts service accounts of the cluster, by what its own keys have signed; the roles trust the gateway. */
async function addRoles(sts: FakeSts, plane: ControlPlane): Promise<void> {
  const keys = await plane.jwks();
  const { issuer } = plane;
  const webIdentity = (token: string) => {
    const expected = { issuer, audience: "sts.amazonaws.com", nowMs: Date.now() };
    const claims = verifyToken(token, keys, expected);
    return /^system:serviceaccount:team-a:[abc]$/.test(claims.sub);
  };
  sts.addRole({ arn: GATEWAY, webIdentity });
  for (const arn of [ROLE_A, ROLE_B]) sts.addRole({ arn, trusts: [GATEWAY] });
}

/** The chart's objects, the token of the daemon's own pod, and the configuration as the daemon reads it. */
async function installChart(
  plane: ControlPlane,
  at: NodeSceneOptions & { readonly folder: string; readonly sts: FakeSts },
): Promise<string> {
  const manifests = await render({ access: at.access });
  await applyAll(plane, manifests);
  const pod = await createDaemonPod(plane, manifests, "n1");
  const token = await plane.tokenFor(NAMESPACE, "crossrole", { pod: pod.metadata });
  const tokenFile = path.join(at.folder, "token");
  await writeFile(tokenFile, token, { mode: 0o600 });
  const file = path.join(at.folder, "crossrole.json");
  const via = [GATEWAY];
  const config = {
    region: "eu-west-1",
    sts: { endpoint: at.sts.url },
    roles: { "role-a": { arn: ROLE_A, via }, "role-b": { arn: ROLE_B, via } },
    associations: [
      { namespace: "team-a", serviceAccount: "a", role: "role-a" },
      { namespace: "team-a", serviceAccount: "b", role: "role-b" },
    ],
    listeners: [
      { address: "169.254.171.254:51679", pods: true },
      { address: "[fd00:ec2:fa11::254]:51679", pods: true },
    ],
    operations: { address: "127.0.0.1:51680" },
    kubernetes: {
      node: "n1",
      access: at.access,
      apiServer: { url: plane.url, caFile: plane.caFile, tokenFile },
    },
    ...at.config,
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** The node reaches the API server and STS, pods reach S3, and what pods ask of 169.254.169.254 is redirected. */
async function connect(
  { node, everyPod }: NodeNetwork,
  { plane, sts, s3 }: { readonly plane: ControlPlane; readonly sts: FakeSts; readonly s3: S3 },
): Promise<void> {
  for (const { url } of [plane, sts]) await node.relay(Number(new URL(url).port));
  for (const { namespace } of everyPod) await namespace.relay(Number(new URL(s3.url).port));
  const { code, errors } = await crossroleIn(node, ["node", "install", "--pod-identity"]);
  if (code !== 0) throw new Error(errors.join("\n"));
}
