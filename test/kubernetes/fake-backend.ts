/** @module The fake API server as a cluster of the contract. */
import { startFakeApiServer } from "../support/fake-api-server.ts";
import type { FakeApiServer, FakeApiServerOptions } from "../support/fake-api-server.ts";
import type { ContractBackend } from "./contract.ts";

export interface FakeBackend extends ContractBackend {
  readonly api: FakeApiServer;
}

export async function startFakeBackend(
  options: FakeApiServerOptions & { readonly tier?: "impersonation" | "rbac" } = {},
): Promise<FakeBackend> {
  const { tier = "impersonation" } = options;
  const grants = tier === "rbac" ? { impersonation: false, rbac: true } : {};
  const api = await startFakeApiServer({ grants, ...options });
  const { world } = api;
  let namespaces = 0;
  return {
    api,
    url: api.url,
    caFile: api.caFile,
    tokenFile: api.tokenFile,
    node: "n1",
    otherNode: "n2",
    impersonate: tier === "rbac" ? undefined : "system:node:n1",
    createNamespace: async () => {
      const namespace = `team-${++namespaces}`;
      for (const name of ["app", "other"]) world.addServiceAccount(namespace, name);
      return namespace;
    },
    createPod: async (pod) => ({ uid: world.addPod(pod).metadata.uid }),
    bindPod: async (namespace, name, node) => world.bindPod(namespace, name, node),
    updateStatus: async (namespace, name, status) => world.updatePod(namespace, name, { status }),
    deletePod: async (namespace, name, graceSeconds) =>
      world.deletePod(namespace, name, graceSeconds),
  };
}
