import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ObjectAnnotations } from "../../src/kubernetes/annotations.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import { clientOf } from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";

const ROLE = { "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app" };
const ALLOWED = { "iam.amazonaws.com/permitted": ".*" };

let api: FakeApiServer;
let client: KubernetesClient;
let annotations: ObjectAnnotations;
let nowMs: number;

beforeEach(async () => {
  const backend = await startFakeBackend();
  ({ api } = backend);
  client = clientOf(backend);
  nowMs = 1_000_000_000;
  annotations = new ObjectAnnotations({ client, impersonate: "system:node:n1", now: () => nowMs });
  api.world.addNamespace("team-a", ALLOWED);
  api.world.addServiceAccount("team-a", "app", ROLE);
  api.world.addPod({ namespace: "team-a", name: "app-1", serviceAccount: "app", node: "n1" });
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

describe("annotations", () => {
  it("of a service account are read as the node, those of a namespace as itself, and metadata alone", async () => {
    expect(await annotations.serviceAccount("team-a", "app")).toEqual(ROLE);
    expect(await annotations.namespace("team-a")).toEqual(ALLOWED);
    const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    expect(api.calls).toEqual([
      expect.objectContaining({ impersonate: "system:node:n1", accept }),
      expect.objectContaining({
        impersonate: undefined,
        accept,
        path: "/api/v1/namespaces/team-a",
      }),
    ]);
  });

  it("that choose no role are left out", async () => {
    const kept = { "crossrole.dev/allowed-roles": "[]", "iam.amazonaws.com/allowed-roles": "[]" };
    const others = { "eks.amazonaws.com.x/role-arn": "x", "example.com/role": "x" };
    api.world.addNamespace("team-b", { ...kept, ...others });
    expect(await annotations.namespace("team-b")).toEqual(kept);
  });

  it("are asked for once in 30 s, however many want them", async () => {
    const asked = Array.from({ length: 50 }, () => annotations.serviceAccount("team-a", "app"));
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 50 }, () => ROLE));
    nowMs += 29_999;
    await annotations.serviceAccount("team-a", "app");
    expect(api.calls).toHaveLength(1);
    nowMs += 1;
    api.world.addServiceAccount("team-a", "app", { "crossrole.dev/role": "x" });
    expect(await annotations.serviceAccount("team-a", "app")).toEqual({
      "crossrole.dev/role": "x",
    });
    expect(api.calls).toHaveLength(2);
  });

  it("are none of what does not exist, and that is remembered too", async () => {
    api.world.namespaces.delete("team-a");
    expect(await annotations.namespace("team-a")).toEqual({});
    expect(await annotations.namespace("team-a")).toEqual({});
    expect(api.calls).toHaveLength(1);
  });

  it("are those held for ten minutes while no new ones are to be had, and then none at all", async () => {
    await annotations.namespace("team-a");
    api.fault({ kind: "status", status: 500 });
    nowMs += 599_999;
    expect(await annotations.namespace("team-a")).toEqual(ALLOWED);
    nowMs += 1;
    await expect(annotations.namespace("team-a")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
    });
    api.heal();
    nowMs += 1_000;
    expect(await annotations.namespace("team-a")).toEqual(ALLOWED);
  });

  it("are not asked for again within a second of a failure", async () => {
    api.fault({ kind: "status", status: 500 });
    for (let i = 0; i < 5; i++)
      await expect(annotations.namespace("team-a")).rejects.toThrow("500");
    expect(api.calls).toHaveLength(1);
    nowMs += 1_000;
    await expect(annotations.namespace("team-a")).rejects.toThrow("500");
    expect(api.calls).toHaveLength(2);
  });

  it("cannot be read without the rule for it", async () => {
    api.grants.namespaces = false;
    await expect(annotations.namespace("team-a")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      message: expect.stringContaining(
        '{apiGroups: [""], resources: [namespaces], verbs: ["get"]}',
      ),
    });
  });

  it("of a service account that no pod of the node has are refused", async () => {
    api.world.addServiceAccount("team-a", "stranger", ROLE);
    await expect(annotations.serviceAccount("team-a", "stranger")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
    });
  });

  it("too long to be meant are left out and not cut, and a new reading follows a clock set back", async () => {
    api.world.addNamespace("team-b", { "crossrole.dev/allowed-roles": "x".repeat(70_000) });
    expect(await annotations.namespace("team-b")).toEqual({});
    nowMs -= 3_600_000;
    await annotations.namespace("team-b");
    expect(api.calls).toHaveLength(2);
  });
});
