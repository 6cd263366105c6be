/** What the daemon may do in a cluster, and what it is refused, with the chart's own rights and policies and a real token. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../clients/until.ts";
import type { ApiObject } from "./api-client.ts";
import { applyAll } from "./apply.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { createDaemonPod } from "./daemon-pod.ts";
import { NAMESPACE, render } from "./helm.ts";
import { createNamespace, createNode, createPod, createServiceAccount } from "./objects.ts";
import { verifyToken } from "./verify-token.ts";

const STS = "sts.amazonaws.com";
const ANNOTATIONS = { crossrole: { roles: ["*"] } };
const OTHER_UID = "00000000-0000-4000-8000-000000000000";

/** A cluster of two nodes, each with a pod of `team-a`, and the daemon on n1. */
interface Cluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  /** On n1, of the service account `app`. */
  readonly own: ApiObject;
  /** On n2, of the service account `app`. */
  readonly others: ApiObject;
  readonly daemon: ApiObject;
  /** The daemon's, bound to its pod. */
  readonly token: string;
  /** What the daemon asks. */
  readonly ask: (
    method: string,
    path: string,
    body?: object,
    headers?: Record<string, string>,
  ) => Answer;
}
type Answer = Promise<{ status: number; message: string; token: string }>;

async function startCluster(values: object): Promise<Cluster> {
  const plane = await startControlPlane();
  for (const name of [NAMESPACE, "team-a", "empty"]) await createNamespace(plane, name);
  for (const name of ["n1", "n2"]) await createNode(plane, name);
  for (const name of ["app", "elsewhere"]) await createServiceAccount(plane, "team-a", name);
  const app = { namespace: "team-a", serviceAccount: "app" };
  const own = await createPod(plane, { ...app, name: "app-1", node: "n1" });
  const others = await createPod(plane, { ...app, name: "app-2", node: "n2" });
  const elsewhere = { namespace: "team-a", serviceAccount: "elsewhere" };
  await createPod(plane, { ...elsewhere, name: "elsewhere", node: "n2" });
  const manifests = await render(values);
  await applyAll(plane, manifests);
  const daemon = await createDaemonPod(plane, manifests, "n1");
  const token = await plane.tokenFor(NAMESPACE, "crossrole", { pod: daemon.metadata });
  return {
    plane,
    own,
    others,
    daemon,
    token,
    ask: async (method, path, body, headers = {}) => {
      const { status, body: answer } = await plane.request<{
        message?: string;
        status?: { token?: string };
      }>(method, path, body, { token, headers });
      return { status, message: answer.message ?? "", token: answer.status?.token ?? "" };
    },
    [Symbol.asyncDispose]: () => plane.stop(),
  };
}

/** A request for a token of `app`, bound to `pod`, with a change. */
function tokenRequest(pod: ApiObject | undefined, change: object = {}): object {
  const bound = pod && {
    apiVersion: "v1",
    kind: "Pod",
    name: pod.metadata.name,
    uid: pod.metadata.uid,
  };
  const spec = {
    audiences: [STS],
    expirationSeconds: 3600,
    ...(bound && { boundObjectRef: bound }),
  };
  return {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { ...spec, ...change },
  };
}

const tokenPath = (namespace: string, account: string) =>
  `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
const APP_TOKEN = tokenPath("team-a", "app");
const PODS_OF = (node: string) => `/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`;
const asNode = (node: string) => ({ "Impersonate-User": `system:node:${node}` });

/** Rights that both tiers have, and what neither has. */
function describeCommonRights(cluster: () => Cluster, as: Record<string, string>) {
  it("may write an Event, and review a token", async () => {
    const { ask, own } = cluster();
    const { name, namespace, uid } = own.metadata;
    const event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { generateName: "app-1.", namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace, uid },
      reason: "RoleDenied",
      message: "STS refused it",
      type: "Warning",
    };
    expect((await ask("POST", `/api/v1/namespaces/${namespace}/events`, event)).status).toBe(201);
    const token = await cluster().plane.tokenFor("team-a", "app", { audiences: [STS] });
    const review = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, audiences: [STS] },
    };
    const path = "/apis/authentication.k8s.io/v1/tokenreviews";
    expect((await ask("POST", path, review)).status).toBe(201);
  });

  it("may read a namespace by itself, for its annotations", async () => {
    expect((await cluster().ask("GET", "/api/v1/namespaces/team-a")).status).toBe(200);
  });

  it.each([
    ["GET", "/api/v1/namespaces"],
    ["GET", "/api/v1/secrets"],
    ["GET", "/api/v1/namespaces/team-a/secrets/x"],
    ["GET", "/api/v1/configmaps"],
    ["GET", "/api/v1/serviceaccounts"],
    ["GET", "/api/v1/nodes"],
    ["DELETE", "/api/v1/namespaces/team-a/pods/app-1"],
    ["POST", "/api/v1/namespaces/team-a/pods"],
    ["PATCH", "/api/v1/nodes/n1"],
    ["PATCH", "/apis/apps/v1/namespaces/crossrole-system/daemonsets/crossrole"],
    [
      "DELETE",
      "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/crossrole-token-requests",
    ],
    ["GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"],
  ])("may not, by itself, %s %s", async (method, path) => {
    const body = method === "POST" || method === "PATCH" ? {} : undefined;
    expect(await cluster().ask(method, path, body)).toMatchObject({ status: 403 });
  });

  it("mints a token that STS verifies: the pod's service account, pod and node", async () => {
    const { ask, plane, own } = cluster();
    const { status, token } = await ask("POST", APP_TOKEN, tokenRequest(own), as);
    expect(status).toBe(201);
    const expected = { issuer: plane.issuer, audience: STS, nowMs: Date.now() };
    const claims = verifyToken(token, await plane.jwks(), expected);
    expect(claims).toMatchObject({
      sub: "system:serviceaccount:team-a:app",
      aud: [STS],
      "kubernetes.io": { pod: { name: "app-1", uid: own.metadata.uid }, node: { name: "n1" } },
    });
  });
}

describe("access: impersonation", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const config = { roles: {}, kubernetes: { annotations: ANNOTATIONS } };
    cluster = await startCluster({ access: "impersonation", config });
    // The authorizer of nodes learns of pods, and that of RBAC of roles, a moment later.
    await until("the rights are in force", async () => {
      const { status } = await cluster.ask(
        "POST",
        APP_TOKEN,
        tokenRequest(cluster.own),
        asNode("n1"),
      );
      return status === 201;
    });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  describeCommonRights(() => cluster, asNode("n1"));

  it.each([
    ["the pods of its node", PODS_OF("n1"), {}, 403, "cannot list resource"],
    ["the pods of its node, as it", PODS_OF("n1"), asNode("n1"), 200, ""],
    [
      "all pods, as its node",
      "/api/v1/pods",
      asNode("n1"),
      403,
      "with spec.nodeName field selector",
    ],
    [
      "another node's pods, as its own",
      PODS_OF("n2"),
      asNode("n1"),
      403,
      "spec.nodeName field selector",
    ],
    [
      "another node's pods, as that",
      PODS_OF("n2"),
      asNode("n2"),
      403,
      "cannot impersonate-on:arbitrary-node:list",
    ],
    [
      "pods as somebody else",
      PODS_OF("n1"),
      { "Impersonate-User": "admin" },
      403,
      "cannot impersonate",
    ],
    [
      "pods with a group of its choice",
      PODS_OF("n1"),
      { ...asNode("n1"), "Impersonate-Group": "system:masters" },
      403,
      "cannot impersonate",
    ],
    [
      "a pod by its name, as its node",
      "/api/v1/namespaces/team-a/pods/app-1",
      asNode("n1"),
      403,
      "impersonate",
    ],
    [
      "a service account by itself",
      "/api/v1/namespaces/team-a/serviceaccounts/app",
      {},
      403,
      "cannot get",
    ],
    [
      "one in use on its node, as it",
      "/api/v1/namespaces/team-a/serviceaccounts/app",
      asNode("n1"),
      200,
      "",
    ],
    [
      "one in use elsewhere, as its node",
      "/api/v1/namespaces/team-a/serviceaccounts/elsewhere",
      asNode("n1"),
      403,
      "no relationship found between node 'n1' and this object",
    ],
    ["secrets, as its node", "/api/v1/secrets", asNode("n1"), 403, "cannot impersonate"],
    ["its own node, as it", "/api/v1/nodes/n1", asNode("n1"), 403, "cannot impersonate"],
  ])("asked for %s gets what it may", async (_, path, headers, status, message) => {
    expect(await cluster.ask("GET", path, undefined, headers)).toEqual({
      status,
      message: expect.stringContaining(message),
      token: "",
    });
  });

  it("watches the pods of its node, as it", async () => {
    expect(await firstOfWatch(cluster, asNode("n1"))).toMatchObject({
      type: "ADDED",
      object: { spec: { nodeName: "n1" } },
    });
  });

  it.each([
    ["by itself", "own", {}, {}, 'cannot create resource "serviceaccounts/token"'],
    ["for another node's pod", "others", {}, asNode("n1"), "scheduled on a different node"],
    ["as another node", "others", {}, asNode("n2"), "cannot impersonate-on:arbitrary-node:create"],
    ["bound to nothing", "own", { boundObjectRef: null }, asNode("n1"), "not bound to a pod"],
    [
      "for another audience",
      "own",
      { audiences: ["vault"] },
      asNode("n1"),
      '"vault" not found in pod spec volume',
    ],
  ] as const)("may not mint a token %s", async (_, pod, change, headers, message) => {
    const answer = await cluster.ask(
      "POST",
      APP_TOKEN,
      tokenRequest(cluster[pod], change),
      headers,
    );
    expect(answer).toEqual({ status: 403, message: expect.stringContaining(message), token: "" });
  });

  it("is nobody special without the token of its pod", async () => {
    const token = await cluster.plane.tokenFor(NAMESPACE, "crossrole");
    const options = { token, headers: asNode("n1") };
    const { status } = await cluster.plane.request("GET", PODS_OF("n1"), undefined, options);
    expect(status).toBe(403);
  });
});

describe("access: rbac", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({
      config: { roles: {}, kubernetes: { annotations: ANNOTATIONS } },
    });
    await untilPolicyDenies(cluster, tokenRequest(undefined));
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  describeCommonRights(() => cluster, {});

  it("lists and watches pods, and reads a service account, by itself", async () => {
    expect((await cluster.ask("GET", PODS_OF("n1"))).status).toBe(200);
    expect(await firstOfWatch(cluster, {})).toMatchObject({ type: "ADDED" });
    const account = "/api/v1/namespaces/team-a/serviceaccounts/app";
    expect((await cluster.ask("GET", account)).status).toBe(200);
  });

  it.each([["n1"], ["n2"]])("may not act as the node %s", async (node) => {
    const answer = await cluster.ask("GET", PODS_OF(node), undefined, asNode(node));
    expect(answer).toMatchObject({ status: 403 });
  });

  it.each([
    ["bound to nothing", { boundObjectRef: undefined }, "bound to a pod and its uid"],
    ["bound to a pod without its uid", { uid: "" }, "bound to a pod and its uid"],
    ["for twelve hours", { expirationSeconds: 43_200 }, "at most 3600 s"],
    ["for another audience", { audiences: ["vault"] }, "audience sts.amazonaws.com, not vault"],
    ["for a second audience", { audiences: [STS, "vault"] }, "not sts.amazonaws.com, vault"],
    ["for no audience", { audiences: [] }, "not https://kubernetes.default.svc"],
    [
      "for the API server's audience by default",
      { audiences: undefined },
      "not https://kubernetes",
    ],
  ])("may not mint a token %s", async (_, change, message) => {
    const { name, uid } = { ...cluster.own.metadata, ...change };
    const bound = uid === "" ? { boundObjectRef: { apiVersion: "v1", kind: "Pod", name } } : {};
    const body = tokenRequest(cluster.own, { ...change, ...bound });
    const answer = await cluster.ask("POST", APP_TOKEN, body);
    expect(answer).toEqual({ status: 422, message: expect.stringContaining(message), token: "" });
  });

  it("may not mint a token of itself", async () => {
    const path = tokenPath(NAMESPACE, "crossrole");
    const answer = await cluster.ask("POST", path, tokenRequest(cluster.daemon));
    expect(answer).toMatchObject({
      status: 422,
      message: expect.stringContaining("its own service"),
    });
  });

  it("may not mint with a token that is bound to no pod", async () => {
    const token = await cluster.plane.tokenFor(NAMESPACE, "crossrole");
    const body = tokenRequest(cluster.own);
    const { status, body: answer } = await cluster.plane.request("POST", APP_TOKEN, body, {
      token,
    });
    expect(status).toBe(422);
    expect(answer.message).toContain("must use the token that is bound to its own pod");
  });

  it("may not mint for a pod of another uid or service account", async () => {
    const stale = { ...cluster.own, metadata: { ...cluster.own.metadata, uid: OTHER_UID } };
    expect(await cluster.ask("POST", APP_TOKEN, tokenRequest(stale))).toMatchObject({
      status: 409,
    });
    const other = tokenPath("team-a", "elsewhere");
    const answer = await cluster.ask("POST", other, tokenRequest(cluster.own));
    expect(answer).toMatchObject({ status: 400 });
  });

  it("may mint for another node's pod, which only ownNodeOnly refuses", async () => {
    const answer = await cluster.ask("POST", APP_TOKEN, tokenRequest(cluster.others));
    expect(answer).toMatchObject({ status: 201 });
  });

  it("leaves others alone: they mint what they may", async () => {
    const { plane } = cluster;
    const audiences = ["vault"];
    await expect(plane.tokenFor("team-a", "app", { audiences })).resolves.toMatch(/^ey/);
  });
});

describe("access: rbac, for the own node only", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ tokenRequests: { ownNodeOnly: true } });
    await untilPolicyDenies(cluster, tokenRequest(cluster.others));
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  it("mints for a pod of its node", async () => {
    const answer = await cluster.ask("POST", APP_TOKEN, tokenRequest(cluster.own));
    expect(answer).toMatchObject({ status: 201 });
  });

  it("may not mint for another node's pod", async () => {
    const answer = await cluster.ask("POST", APP_TOKEN, tokenRequest(cluster.others));
    expect(answer).toMatchObject({
      status: 422,
      message: expect.stringContaining("the pod app-2 does not run on the node n1"),
    });
  });

  it("keeps nobody from a token in a namespace without pods", async () => {
    await expect(cluster.plane.tokenFor("empty", "default")).resolves.toMatch(/^ey/);
  });

  it("reads no service account and no namespace when no annotation is looked at", async () => {
    const account = await cluster.ask("GET", "/api/v1/namespaces/team-a/serviceaccounts/app");
    expect(account).toMatchObject({ status: 403 });
    const namespace = await cluster.ask("GET", "/api/v1/namespaces/team-a");
    expect(namespace).toMatchObject({ status: 403 });
  });
});

/** A policy is in force a moment after it is written. */
async function untilPolicyDenies({ ask }: Cluster, body: object): Promise<void> {
  await until("the policy is in force", async () => {
    const { message } = await ask("POST", APP_TOKEN, body);
    return message.includes("ValidatingAdmissionPolicy");
  });
}

async function firstOfWatch({ plane, token }: Cluster, headers: Record<string, string>) {
  const path = `${PODS_OF("n1")}&watch=1&timeoutSeconds=20`;
  return (await plane.watch(path, { token, headers }).next()).value;
}
