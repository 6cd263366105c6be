/**
 * @module What an API server owes to a node daemon, as tests that run against the fake one and against a
 * real one. Names and node are the backend's own, so that many may run on one cluster.
 */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createKubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { listPages, listPods } from "../../src/kubernetes/list-pods.ts";
import type { Pod } from "../../src/kubernetes/pod.ts";
import { startReflector } from "../../src/kubernetes/reflector.ts";
import type { PodChange, Reflector } from "../../src/kubernetes/reflector.ts";
import type { ReflectorTimings } from "../../src/kubernetes/reflector-timings.ts";
import { requestToken } from "../../src/kubernetes/token-request.ts";

interface ContractPod {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** Absent: not scheduled. */
  readonly node?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A cluster to run the tests against, and the powers of its scheduler, its kubelets and its users. */
export interface ContractBackend {
  readonly url: string;
  readonly caFile: string;
  /** The token of a daemon on `node`, bound to its pod. */
  readonly tokenFile: string;
  readonly node: string;
  /** Another node of the cluster. */
  readonly otherNode: string;
  /** The user to be, in tier A. */
  readonly impersonate: string | undefined;
  /** An empty namespace of its own for a test, with the service accounts `app` and `other`. */
  createNamespace(): Promise<string>;
  createPod(pod: ContractPod): Promise<{ readonly uid: string }>;
  bindPod(namespace: string, name: string, node: string): Promise<void>;
  /** Merges into `status`, as a kubelet does. */
  updateStatus(
    namespace: string,
    name: string,
    status: Readonly<Record<string, unknown>>,
  ): Promise<void>;
  deletePod(namespace: string, name: string, graceSeconds: number): Promise<void>;
}

/** Where a test finds the cluster of now. */
type Backend = () => ContractBackend;

/** What a reflector tells, put together as its reader would. */
export class Picture {
  readonly pods = new Map<string, Pod>();
  readonly changes: PodChange[] = [];
  readonly problems: string[] = [];

  readonly onChange = (change: PodChange) => {
    this.changes.push(change);
    if (change.type === "replaced") {
      this.pods.clear();
      for (const pod of change.pods) this.pods.set(pod.uid, pod);
    } else if (change.type === "applied") this.pods.set(change.pod.uid, change.pod);
    else this.pods.delete(change.uid);
  };

  readonly onProblem = (error: Error) => void this.problems.push(error.message);

  named(name: string): Pod | undefined {
    return [...this.pods.values()].find((pod) => pod.name === name);
  }
}

export function clientOf({ url, caFile, tokenFile }: ContractBackend): KubernetesClient {
  return createKubernetesClient({ url, caFile, tokenFile });
}

/** Follows the backend's node. */
export function follow(
  backend: ContractBackend,
  client: KubernetesClient,
  timings: Partial<ReflectorTimings> = {},
): { readonly reflector: Reflector; readonly picture: Picture } {
  const picture = new Picture();
  const reflector = startReflector({
    client,
    node: backend.node,
    impersonate: backend.impersonate,
    onChange: picture.onChange,
    onProblem: picture.onProblem,
    now: Date.now,
    random: Math.random,
    timings,
  });
  return { reflector, picture };
}

const WAIT = { timeout: 20_000, interval: 10 };

export function reflectorContract(backendNow: Backend): void {
  describe("a reflector", () => {
    let backend: ContractBackend;
    let namespace: string;
    let client: KubernetesClient;
    let reflector: Reflector;
    let picture: Picture;

    beforeEach(async () => {
      backend = backendNow();
      namespace = await backend.createNamespace();
      client = clientOf(backend);
      await backend.createPod(podOn(backend.node, "first"));
      await backend.createPod(podOn(backend.otherNode, "elsewhere"));
      ({ reflector, picture } = follow(backend, client));
      await vi.waitFor(() => expect(picture.named("first")).toBeDefined(), WAIT);
    });

    afterEach(() => {
      reflector.close();
      client.close();
    });

    const podOn = (node: string, name: string): ContractPod => ({
      namespace,
      name,
      serviceAccount: "app",
      node,
    });

    it("tells first of all pods of the node at once, and of no other's", () => {
      expect(picture.changes[0]?.type).toBe("replaced");
      expect(reflector.synced).toBe(true);
      expect(picture.named("elsewhere")).toBeUndefined();
      expect([...picture.pods.values()].every(({ node }) => node === backend.node)).toBe(true);
      expect(reflector.lastContactMs).toBeGreaterThan(Date.now() - 60_000);
    });

    it("tells of a pod when it is bound, before it has an address, and of the address when it comes", async () => {
      await backend.createPod({ namespace, name: "late", serviceAccount: "app" });
      await backend.bindPod(namespace, "late", backend.node);
      await vi.waitFor(() => expect(picture.named("late")).toBeDefined(), WAIT);
      expect(picture.named("late")).toMatchObject({
        namespace,
        serviceAccount: "app",
        node: backend.node,
        addresses: [],
        finished: false,
        hostNetwork: false,
        deletionMs: undefined,
      });

      const ips = ["10.244.0.50", "FD00:244:0:0::50"].map((ip) => ({ ip }));
      const status = { phase: "Running", podIP: "10.244.0.50", podIPs: ips };
      await backend.updateStatus(namespace, "late", status).catch(async () => {
        // Newer API servers take the one spelling of IPv6 only.
        const canonical = [{ ip: "10.244.0.50" }, { ip: "fd00:244::50" }];
        await backend.updateStatus(namespace, "late", { ...status, podIPs: canonical });
      });

      await vi.waitFor(
        () => expect(picture.named("late")?.addresses).toEqual(["10.244.0.50", "fd00:244::50"]),
        WAIT,
      );
    });

    it("tells the end of a pod's grace, that it has finished with its address kept, and that it is gone", async () => {
      await backend.createPod(podOn(backend.node, "life"));
      const addresses = { podIP: "10.244.0.51", podIPs: [{ ip: "10.244.0.51" }] };
      await backend.updateStatus(namespace, "life", { phase: "Running", ...addresses });
      await backend.deletePod(namespace, "life", 30);
      await vi.waitFor(() => expect(picture.named("life")?.deletionMs).toBeDefined(), WAIT);
      expect(picture.named("life")?.deletionMs).toBeGreaterThan(Date.now() + 20_000);

      await backend.updateStatus(namespace, "life", { phase: "Succeeded" });
      await vi.waitFor(() => expect(picture.named("life")?.finished).toBe(true), WAIT);
      expect(picture.named("life")?.addresses).toEqual(["10.244.0.51"]);

      const { uid } = picture.named("life") ?? { uid: "" };
      await backend.deletePod(namespace, "life", 0);
      await vi.waitFor(() => expect(picture.named("life")).toBeUndefined(), WAIT);
      expect(picture.changes.at(-1)).toEqual({ type: "deleted", uid });
    });

    it("tells two pods of one name apart by their UIDs", async () => {
      await backend.createPod(podOn(backend.node, "web-0"));
      await vi.waitFor(() => expect(picture.named("web-0")).toBeDefined(), WAIT);
      const before = picture.named("web-0")?.uid;
      await backend.deletePod(namespace, "web-0", 0);
      const { uid } = await backend.createPod(podOn(backend.node, "web-0"));
      await vi.waitFor(() => expect(picture.named("web-0")?.uid).toBe(uid), WAIT);
      expect(uid).not.toBe(before);
    });

    it("reads everything anew on demand, and tells of it as one change", async () => {
      const replacements = () => picture.changes.filter(({ type }) => type === "replaced").length;
      const before = replacements();
      reflector.resync();
      await vi.waitFor(() => expect(replacements()).toBe(before + 1), WAIT);
      expect(picture.named("first")).toBeDefined();
      await backend.createPod(podOn(backend.node, "after"));
      await vi.waitFor(() => expect(picture.named("after")).toBeDefined(), WAIT);
      expect(picture.problems).toEqual([]);
    });
  });
}

function names(pods: readonly Pod[]): readonly string[] {
  return pods.map(({ name }) => name).toSorted();
}

export function listContract(backendNow: Backend): void {
  describe("a list of pods", () => {
    let backend: ContractBackend;
    let namespace: string;
    let client: KubernetesClient;

    beforeEach(async () => {
      backend = backendNow();
      namespace = await backend.createNamespace();
      client = clientOf(backend);
      for (const [name, node, ips] of [
        ["one", backend.node, ["10.244.7.1", "fd00:244::71"]],
        ["two", backend.node, ["10.244.7.2"]],
        ["three", backend.otherNode, ["10.244.7.1"]],
      ] as const) {
        await backend.createPod({ namespace, name, serviceAccount: "app", node });
        const podIPs = ips.map((ip) => ({ ip }));
        await backend.updateStatus(namespace, name, { phase: "Running", podIP: ips[0], podIPs });
      }
    });

    afterEach(async () => {
      client.close();
      for (const name of ["one", "two", "three"]) await backend.deletePod(namespace, name, 0);
    });

    const own = () => ({ node: backend.node, impersonate: backend.impersonate });

    it("has the pods of the own node alone, page by page", async () => {
      const { pods, resourceVersion } = await listPages(client, { ...own(), pageSize: 1 });
      expect(names(pods)).toEqual(expect.arrayContaining(["one", "two"]));
      expect(names(pods)).not.toContain("three");
      expect(resourceVersion).toMatch(/^\d+$/);
    });

    it("is that of an address, and a second address of a pod finds it as well", async () => {
      expect(names(await listPods(client, { ...own(), address: "10.244.7.1" }))).toEqual(["one"]);
      expect(names(await listPods(client, { ...own(), address: "fd00:244::71" }))).toEqual(["one"]);
      expect(await listPods(client, { ...own(), address: "10.244.7.9" })).toEqual([]);
    });

    it("is that of a name in a namespace", async () => {
      expect(names(await listPods(client, { ...own(), namespace, name: "two" }))).toEqual(["two"]);
      expect(await listPods(client, { ...own(), namespace, name: "three" })).toEqual([]);
      expect(names(await listPods(client, { ...own(), namespace }))).toEqual(["one", "two"]);
    });
  });
}

export function tokenRequestContract(backendNow: Backend): void {
  describe("a token request", () => {
    let backend: ContractBackend;
    let namespace: string;
    let client: KubernetesClient;
    let pod: Pod;

    beforeEach(async () => {
      backend = backendNow();
      namespace = await backend.createNamespace();
      client = clientOf(backend);
      // What the Node authorizer knows of the service account outlives each pod that a test takes away.
      for (const [name, serviceAccount] of [
        ["app-1", "app"],
        ["app-2", "app"],
        ["other-1", "other"],
      ] as const) {
        await backend.createPod({ namespace, name, serviceAccount, node: backend.node });
      }
      const options = { node: backend.node, impersonate: backend.impersonate };
      const [found] = await listPods(client, { ...options, namespace, name: "app-1" });
      if (found === undefined) throw new Error("the pod that was just created is not listed");
      pod = found;
    });

    afterEach(() => client.close());

    const request = (of: Pod, more: { audience?: string; expirationSeconds?: number } = {}) =>
      requestToken(client, of, {
        audience: "sts.amazonaws.com",
        impersonate: backend.impersonate,
        ...more,
      });

    it("is answered with a token of the pod's service account, bound to the pod and its node", async () => {
      const { token, expiration } = await vi.waitFor(() => request(pod), WAIT);
      const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
      expect(claims).toMatchObject({
        aud: ["sts.amazonaws.com"],
        sub: `system:serviceaccount:${namespace}:app`,
        "kubernetes.io": {
          namespace,
          node: { name: backend.node },
          pod: { name: "app-1", uid: pod.uid },
          serviceaccount: { name: "app" },
        },
      });
      expect(Math.abs(expiration.getTime() - (Date.now() + 3_600_000))).toBeLessThan(60_000);
      expect(claims.exp - claims.iat).toBe(3_600);
    });

    it.each<[string, (known: Pod) => Pod]>([
      ["another UID by now", (known) => ({ ...known, uid: randomUUID() })],
      ["another service account", (known) => ({ ...known, serviceAccount: "other" })],
      ["gone", (known) => ({ ...known, name: "gone" })],
      ["a service account that is gone", (known) => ({ ...known, serviceAccount: "nosuch" })],
    ])("is refused as stale for a pod that has %s", async (_, changed) => {
      await vi.waitFor(() => request(pod), WAIT);
      await expect(request(changed(pod))).rejects.toMatchObject({ code: "ERR_POD_STALE" });
    });

    it("is refused as stale for a pod that has been deleted", async () => {
      await vi.waitFor(() => request(pod), WAIT);
      await backend.deletePod(namespace, "app-1", 0);
      await vi.waitFor(
        () => expect(request(pod)).rejects.toMatchObject({ code: "ERR_POD_STALE" }),
        WAIT,
      );
    });

    it.each<[string, { audience?: string; expirationSeconds?: number }]>([
      ["another audience", { audience: "vault" }],
      ["a minute", { expirationSeconds: 60 }],
    ])("is denied for %s", async (_, more) => {
      await vi.waitFor(() => request(pod), WAIT);
      await expect(request(pod, more)).rejects.toMatchObject({ code: "ERR_KUBERNETES_DENIED" });
    });
  });
}

/** What the daemon must not be able to do, whoever holds its token. */
export function refusalContract(backendNow: Backend, tier: "impersonation" | "rbac"): void {
  describe("the daemon's token", () => {
    let backend: ContractBackend;
    let client: KubernetesClient;

    beforeEach(() => {
      backend = backendNow();
      client = clientOf(backend);
    });

    afterEach(() => client.close());

    const get = (path: string, query: Record<string, string> = {}) =>
      client.request({ method: "GET", path, query, impersonate: backend.impersonate });

    it("lists no secrets", async () => {
      const { status, body } = await get("/api/v1/secrets");
      expect(status).toBe(403);
      expect(body).toMatchObject({
        kind: "Status",
        reason: "Forbidden",
        details: { kind: "secrets" },
      });
    });

    it("is told apart from one that is none", async () => {
      const other = createKubernetesClient({ ...backend, tokenFile: backend.caFile });
      await expect(other.request({ method: "GET", path: "/api/v1/pods" })).rejects.toMatchObject({
        code: "ERR_KUBERNETES_UNAVAILABLE",
      });
      other.close();
    });

    it("impersonates no other node", async () => {
      const answer = await client.request({
        method: "GET",
        path: "/api/v1/pods",
        query: { fieldSelector: `spec.nodeName=${backend.otherNode}` },
        impersonate: `system:node:${backend.otherNode}`,
      });
      expect(answer.status).toBe(403);
    });

    if (tier === "rbac") return;

    it("asks for tokens of no pod of another node as its own", async () => {
      const namespace = await backend.createNamespace();
      const init = { namespace, serviceAccount: "app" };
      await backend.createPod({ ...init, name: "here", node: backend.node });
      const { uid } = await backend.createPod({ ...init, name: "there", node: backend.otherNode });
      const pod = { namespace, name: "there", uid, serviceAccount: "app" };
      const options = { audience: "sts.amazonaws.com", impersonate: backend.impersonate };
      await vi.waitFor(
        () =>
          expect(requestToken(client, pod, options)).rejects.toMatchObject({
            code: "ERR_KUBERNETES_DENIED",
            message: expect.stringContaining("scheduled on a different node"),
          }),
        WAIT,
      );
    });

    it("lists the pods of no node but its own as its node", async () => {
      expect((await get("/api/v1/pods")).status).toBe(403);
      const others = { fieldSelector: `spec.nodeName=${backend.otherNode}` };
      expect((await get("/api/v1/pods", others)).status).toBe(403);
    });
  });
}
