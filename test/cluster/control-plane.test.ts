/** What the other suites rest on: the control plane is a real one, and behaves as reference pages say. */
import { access, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiObject, ApiStatus, WatchEvent } from "./api-client.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import {
  createNamespace,
  createNode,
  createPod,
  createServiceAccount,
  deletePod,
  setPodStatus,
} from "./objects.ts";
import { verifyToken } from "./verify-token.ts";

const WATCH_LIST =
  "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=20";
const STS = "sts.amazonaws.com";

/** Events until one that `isLast`. */
async function eventsUntil(
  plane: ControlPlane,
  path: string,
  isLast: (event: WatchEvent<ApiObject & ApiStatus>) => boolean,
) {
  const events: WatchEvent<ApiObject & ApiStatus>[] = [];
  for await (const event of plane.watch(path)) {
    events.push(event);
    if (isLast(event)) break;
  }
  return events;
}

describe.each(["new", "old"] as const)("a control plane with the %s etcd", (etcd) => {
  let plane: ControlPlane;
  beforeAll(async () => {
    plane = await startControlPlane({ etcd });
    await createNamespace(plane, "orders");
    await createNode(plane, "n1");
  });
  afterAll(() => plane.stop());

  it("is Kubernetes 1.36 and shows the certificate that is pinned", async () => {
    const { body } = await plane.request<{ gitVersion: string }>("GET", "/version");
    expect(body.gitVersion).toBe("v1.36.2");
    expect(await readFile(plane.caFile, "utf8")).toContain("BEGIN CERTIFICATE");
  });

  it("refuses who has no token, and who has a wrong one", async () => {
    const anonymous = await plane.request("GET", "/api/v1/pods", undefined, { token: "" });
    expect(anonymous.status).toBe(403);
    const forged = await plane.request("GET", "/api/v1/pods", undefined, { token: "x" });
    expect(forged.status).toBe(401);
  });

  it("tells the life of a pod to a watch of its node", async () => {
    const { body } = await plane.request("GET", "/api/v1/pods");
    const { resourceVersion } = body.metadata;
    const path = `/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1&resourceVersion=${resourceVersion}`;
    const events = eventsUntil(plane, path, ({ type }) => type === "DELETED");
    await createPod(plane, { namespace: "orders", name: "elsewhere", node: "n2" });
    const pod = await createPod(plane, { namespace: "orders", name: "app", node: "n1" });
    await setPodStatus(plane, pod, { addresses: ["10.244.0.7", "fd00:244::7"] });
    await deletePod(plane, pod, 30);
    await deletePod(plane, pod);
    const seen = await events;
    const isEnding = ({ object }: (typeof seen)[number]) =>
      object.metadata.deletionTimestamp === undefined ? "" : " terminating";
    expect(seen.map((event) => event.type + isEnding(event))).toEqual([
      "ADDED",
      "MODIFIED",
      "MODIFIED terminating",
      // The grace is none now.
      "MODIFIED terminating",
      "DELETED terminating",
    ]);
    expect(new Set(seen.map(({ object }) => object.metadata.uid)).size).toBe(1);
  });

  it("answers a compacted resource version with 410 inside HTTP 200", async () => {
    const { body } = await plane.request("GET", "/api/v1/pods");
    await plane.compact();
    const path = `/api/v1/pods?watch=1&resourceVersion=${body.metadata.resourceVersion}`;
    const [event] = await eventsUntil(plane, path, () => true);
    expect(event).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
  });

  it("is killed and comes back with what it had, the same certificate and the same keys", async () => {
    const certificate = await readFile(plane.caFile, "utf8");
    const keys = await plane.jwks();
    await plane.kill();
    await expect(fetch(plane.url)).rejects.toThrow("fetch failed");
    await plane.start();
    expect((await plane.request("GET", "/api/v1/nodes/n1")).status).toBe(200);
    expect(await readFile(plane.caFile, "utf8")).toBe(certificate);
    expect(await plane.jwks()).toEqual(keys);
  });

  it("answers nothing while it is paused", async () => {
    plane.pause();
    const signal = AbortSignal.timeout(200);
    await expect(plane.request("GET", "/readyz", undefined, { signal })).rejects.toThrow("aborted");
    plane.resume();
    expect((await plane.request("GET", "/readyz")).status).toBe(200);
  });
});

it("has WatchList with the new etcd: what there is, then a bookmark that says so", async () => {
  await using plane = await startControlPlane();
  await createNamespace(plane, "orders");
  await createPod(plane, { namespace: "orders", name: "app" });
  const events = await eventsUntil(plane, WATCH_LIST, ({ type }) => type !== "ADDED");
  expect(events.map(({ type }) => type)).toEqual(["ADDED", "BOOKMARK"]);
  expect(events.at(-1)?.object.metadata.annotations).toEqual({
    "k8s.io/initial-events-end": "true",
  });
});

it("has no WatchList with the old etcd: an ERROR 500 inside HTTP 200", async () => {
  await using plane = await startControlPlane({ etcd: "old" });
  const events = await eventsUntil(plane, WATCH_LIST, ({ type }) => type !== "ADDED");
  expect(events.at(-1)).toMatchObject({
    type: "ERROR",
    object: { code: 500, message: expect.stringContaining("RequestWatchProgress is disabled") },
  });
});

describe("the tokens of pods", () => {
  let plane: ControlPlane;
  let pod: ApiObject;
  beforeAll(async () => {
    plane = await startControlPlane();
    await createNamespace(plane, "orders");
    await createNode(plane, "n1");
    await createServiceAccount(plane, "orders", "reader");
    await createServiceAccount(plane, "orders", "other");
    pod = await createPod(plane, {
      namespace: "orders",
      name: "app",
      serviceAccount: "reader",
      node: "n1",
    });
  });
  afterAll(() => plane.stop());

  const expected = () => ({ issuer: plane.issuer, audience: STS, nowMs: Date.now() });
  const podToken = (expirationSeconds = 3600) =>
    plane.tokenFor("orders", "reader", { pod: pod.metadata, audiences: [STS], expirationSeconds });

  it("are verified by the keys that the API server publishes, and name pod and node", async () => {
    const claims = verifyToken(await podToken(), await plane.jwks(), expected());
    expect(claims.sub).toBe("system:serviceaccount:orders:reader");
    expect(claims["kubernetes.io"]).toMatchObject({
      namespace: "orders",
      pod: { name: "app", uid: pod.metadata.uid },
      node: { name: "n1" },
    });
    expect(claims.exp - claims.iat).toBe(3600);
  });

  it("are refused by who verifies them for another audience or issuer, late, or altered", async () => {
    const token = await podToken(600);
    const keys = await plane.jwks();
    const verifyAs = (change: Partial<ReturnType<typeof expected>>, altered = token) =>
      verifyToken(altered, keys, { ...expected(), ...change });
    expect(() => verifyAs({ audience: "vault" })).toThrow("for sts.amazonaws.com, not vault");
    expect(() => verifyAs({ issuer: "https://example.test" })).toThrow("issued by");
    expect(() => verifyAs({ nowMs: Date.now() + 601_000 })).toThrow("it has expired");
    const [header, payload = "", signature] = token.split(".");
    const claims = Buffer.from(payload, "base64url").toString().replace("reader", "writer");
    const altered = [header, Buffer.from(claims).toString("base64url"), signature].join(".");
    expect(() => verifyAs({}, altered)).toThrow("the signature is not the issuer's");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    expect(() => verifyAs({}, [none, payload, signature].join("."))).toThrow("not RS256");
  });

  it("authenticate to the API server as the pod on its node", async () => {
    const token = await plane.tokenFor("orders", "reader", { pod: pod.metadata });
    const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
    const { body } = await plane.request<{ status: { userInfo: object } }>(
      "POST",
      "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      review,
      { token },
    );
    expect(body.status.userInfo).toMatchObject({
      username: "system:serviceaccount:orders:reader",
      extra: { "authentication.kubernetes.io/node-name": ["n1"] },
    });
  });

  it.each([
    ["another service account's pod", "other", {}, 600, "400 BadRequest"],
    [
      "a uid of before",
      "reader",
      { uid: "00000000-0000-4000-8000-000000000000" },
      600,
      "409 Conflict",
    ],
    ["a pod that is gone", "reader", { name: "gone" }, 600, "404 NotFound"],
    ["less than ten minutes", "reader", {}, 60, "422 Invalid"],
  ])("are refused for %s", async (_, account, change, expirationSeconds, answer) => {
    const path = `/api/v1/namespaces/orders/serviceaccounts/${account}/token`;
    const { name, uid } = { ...pod.metadata, ...change };
    const boundObjectRef = { apiVersion: "v1", kind: "Pod", name, uid };
    const { status, body } = await plane.request("POST", path, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: [STS], expirationSeconds, boundObjectRef },
    });
    expect(`${status} ${body.reason}`).toBe(answer);
  });
});

it("leaves neither a process nor a file behind", async () => {
  const plane = await startControlPlane();
  const { url, caFile } = plane;
  await access(caFile);
  await plane.stop();
  await expect(fetch(url)).rejects.toThrow("fetch failed");
  await expect(access(dirname(dirname(caFile)))).rejects.toThrow("ENOENT");
});

it("shows the log of an API server that does not start", async () => {
  await expect(startControlPlane({ flags: ["--no-such-flag"] })).rejects.toThrow(
    /kube-apiserver does not start:[^]*unknown flag: --no-such-flag/,
  );
});
