/** The rights of the chart are enough for what the program asks: each of its calls, in both tiers. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import type { KubernetesSettings } from "../../src/config/types.ts";
import type { Pod } from "../../src/kubernetes/pod.ts";
import type { PodChange } from "../../src/kubernetes/reflector.ts";
import { NodeApi } from "../../src/node-api.ts";
import { until } from "../clients/until.ts";
import { applyAll } from "./apply.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { createDaemonPod } from "./daemon-pod.ts";
import { NAMESPACE, only, render } from "./helm.ts";
import type { Manifest } from "./helm.ts";
import {
  createNamespace,
  createNode,
  createPod,
  createServiceAccount,
  setPodStatus,
} from "./objects.ts";
import { verifyToken } from "./verify-token.ts";

const ARN = "arn:aws:iam::222222222222:role/orders-reader";
const KINDS = {
  crossrole: { roles: ["*"] },
  irsa: { roles: ["*"] },
  kube2iam: { baseRoleArn: "arn:aws:iam::222222222222:role/" },
  kiam: { baseRoleArn: "arn:aws:iam::222222222222:role/" },
} as const;

/** A daemon on n1, as far as the API server knows it, with the chart as `access` and `annotations` make it. */
interface Daemon {
  readonly api: NodeApi;
  readonly settings: KubernetesSettings;
  readonly problems: unknown[];
}

describe.each(["rbac", "impersonation"])("with access: %s", (access) => {
  let plane: ControlPlane;
  let folder: string;
  let token: string;
  const daemons: NodeApi[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "crossrole-rights-"));
    plane = await startControlPlane();
    await createNode(plane, "n1");
    await createNamespace(plane, NAMESPACE);
    await createNamespace(plane, "team-a", {
      annotations: { "iam.amazonaws.com/permitted": ".*" },
    });
    await createServiceAccount(plane, "team-a", "app", {
      annotations: { "eks.amazonaws.com/role-arn": ARN },
    });
    const app = { namespace: "team-a", name: "app-1", serviceAccount: "app", node: "n1" };
    const pod = await createPod(plane, app);
    await setPodStatus(plane, pod, { addresses: ["10.244.0.7"] });
    const manifests = await render({ access });
    await applyAll(plane, manifests);
    const daemon = await createDaemonPod(plane, manifests, "n1");
    token = await plane.tokenFor(NAMESPACE, "crossrole", { pod: daemon.metadata });
    await writeFile(path.join(folder, "token"), token, { mode: 0o600 });
  });
  afterAll(async () => {
    for (const daemon of daemons) daemon.close();
    await plane.stop();
    await rm(folder, { recursive: true });
  });

  async function openDaemon(annotations: object = {}): Promise<Daemon> {
    const manifests = await render({ access, config: { roles: {}, kubernetes: { annotations } } });
    await applyAll(plane, manifests);
    const settings = {
      ...settingsOf(only(manifests, "ConfigMap")),
      apiServer: {
        url: plane.url,
        caFile: plane.caFile,
        tokenFile: path.join(folder, "token"),
      },
    };
    const problems: unknown[] = [];
    const api = await NodeApi.open({
      settings,
      environment: {},
      onProblem: (error) => problems.push(error),
      onAccess: () => undefined,
      now: Date.now,
    });
    daemons.push(api);
    await api.connect();
    return { api, settings, problems };
  }

  /** So that no right of the case before is what makes a case work. */
  async function withoutRights(): Promise<void> {
    await applyAll(plane, await render({ access }));
    const account = "/api/v1/namespaces/team-a/serviceaccounts/app";
    const headers = { ...(access === "impersonation" && { "impersonate-user": "system:node:n1" }) };
    for (const [url, sent] of [
      [account, headers],
      ["/api/v1/namespaces/team-a", {}],
    ] as const) {
      await until(`${url} is refused`, async () => {
        const { status } = await plane.request("GET", url, undefined, { token, headers: sent });
        return status === 403;
      });
    }
  }

  it("tells of the pods of the node, and finds one by its name and by its address", async () => {
    const daemon = await openDaemon();
    const seen: PodChange[] = [];
    daemon.api.start(
      (change) => seen.push(change),
      () => undefined,
    );
    await until("pods are told of", () => seen.length > 0);
    expect(await podOf(daemon)).toMatchObject({ name: "app-1", addresses: ["10.244.0.7"] });
    expect(await daemon.api.list({ address: "10.244.0.7" })).toHaveLength(1);
    expect(daemon.problems).toEqual([]);
  });

  it("has tokens of its pods, and reviews those that they show", async () => {
    const daemon = await openDaemon();
    const pod = await podOf(daemon);
    const identity = { ...pod, kind: "pod" } as const;
    const minted = await until("the rights are in force", async () => {
      const asked = daemon.api.requestToken(identity, AbortSignal.timeout(10_000));
      return await asked.catch(() => undefined);
    });
    const expected = {
      issuer: plane.issuer,
      audience: "sts.amazonaws.com",
      nowMs: Date.now(),
    };
    const claims = verifyToken(minted.token, await plane.jwks(), expected);
    expect(claims.sub).toBe("system:serviceaccount:team-a:app");
    expect(await daemon.api.reviewToken(minted.token)).toMatchObject({ uid: pod.uid });
  });

  it("writes an Event on a pod", async () => {
    const daemon = await openDaemon();
    const pod = await podOf(daemon);
    daemon.api.record(pod, { reason: "RoleDenied", message: "STS refused it" });
    const events = "/api/v1/namespaces/team-a/events";
    await until("the Event is there", async () => {
      const { body } = await plane.request<{ items: object[] }>("GET", events);
      return body.items.length > 0;
    });
    expect(daemon.problems).toEqual([]);
  });

  it.each(Object.entries(KINDS))("reads what annotations.%s needs", async (kind, rules) => {
    await withoutRights();
    const daemon = await openDaemon({ [kind]: rules });
    const pod = await podOf(daemon);
    // Rights that were just given are in force a moment later.
    const owners = await until(`${kind} is readable`, async () => {
      const asked = daemon.api.ownerAnnotations(pod, daemon.settings.annotations);
      return await asked.catch(() => undefined);
    });
    const readsAccount = kind === "irsa" || kind === "crossrole";
    expect(owners.serviceAccount).toEqual(
      readsAccount ? { "eks.amazonaws.com/role-arn": ARN } : {},
    );
    const readsNamespace = kind !== "irsa";
    expect(owners.namespace).toEqual(readsNamespace ? { "iam.amazonaws.com/permitted": ".*" } : {});
  });
});

async function podOf({ api }: Daemon): Promise<Pod> {
  const [pod] = await api.list({ namespace: "team-a", name: "app-1" });
  if (pod === undefined) throw new Error("the pod is not listed");
  return pod;
}

function settingsOf(configMap: Manifest): KubernetesSettings {
  const { data } = configMap as Manifest & { readonly data: Record<string, string> };
  const file = { kind: "file", path: "crossrole.yaml", settings: {} } as const;
  const environment = { NODE_NAME: "n1" };
  const options = { flags: {}, environment, hostname: "n1" };
  const { kubernetes } = parseConfig(file, data["crossrole.yaml"] ?? "", options);
  if (kubernetes === undefined) throw new Error("the configuration has no kubernetes");
  return kubernetes;
}
