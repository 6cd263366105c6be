/** @module A real API server as a cluster of the contract, with whatever rights the daemon has there. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ContractBackend } from "../kubernetes/contract.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { NAMESPACE } from "./helm.ts";
import { createNamespace, createNode, createPod, createServiceAccount } from "./objects.ts";

export interface RealBackend extends ContractBackend, AsyncDisposable {
  readonly plane: ControlPlane;
}

export interface RealBackendOptions {
  readonly access: "impersonation" | "rbac";
  readonly etcd?: "new" | "old";
  /** Gives the service account `crossrole` its rights. */
  readonly grant: (plane: ControlPlane) => Promise<void>;
}

export async function startRealBackend(options: RealBackendOptions): Promise<RealBackend> {
  const { access, etcd = "new", grant } = options;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), "crossrole-backend-"));
  stack.defer(() => rm(folder, { recursive: true }));
  const plane = await startControlPlane({ etcd });
  stack.defer(() => plane.stop());
  for (const node of ["n1", "n2"]) await createNode(plane, node);
  await createNamespace(plane, NAMESPACE);
  await createServiceAccount(plane, NAMESPACE, "crossrole");
  await grant(plane);
  const own = { namespace: NAMESPACE, name: "crossrole-n1", serviceAccount: "crossrole" };
  const pod = await createPod(plane, { ...own, node: "n1" });
  const tokenFile = path.join(folder, "token");
  const token = await plane.tokenFor(NAMESPACE, "crossrole", { pod: pod.metadata });
  await writeFile(tokenFile, token, { mode: 0o600 });
  const owned = stack.move();
  return {
    ...powersOver(plane),
    plane,
    url: plane.url,
    caFile: plane.caFile,
    tokenFile,
    node: "n1",
    otherNode: "n2",
    impersonate: access === "impersonation" ? "system:node:n1" : undefined,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Powers = Pick<
  ContractBackend,
  "createNamespace" | "createPod" | "bindPod" | "updateStatus" | "deletePod"
>;

/** Those of the scheduler, the kubelets and the users. */
function powersOver(plane: ControlPlane): Powers {
  let count = 0;
  return {
    createNamespace: async () => {
      const namespace = `team-${++count}`;
      await createNamespace(plane, namespace);
      for (const name of ["app", "other"]) await createServiceAccount(plane, namespace, name);
      return namespace;
    },
    createPod: async (pod) => ({ uid: (await createPod(plane, pod)).metadata.uid }),
    bindPod: async (namespace, name, node) => {
      const target = { apiVersion: "v1", kind: "Node", name: node };
      const binding = { apiVersion: "v1", kind: "Binding", metadata: { name }, target };
      await ask(plane, "POST", `${podPath(namespace, name)}/binding`, binding);
    },
    updateStatus: async (namespace, name, status) => {
      const contentType = "application/merge-patch+json";
      await ask(plane, "PATCH", `${podPath(namespace, name)}/status`, { status }, contentType);
    },
    deletePod: async (namespace, name, graceSeconds) => {
      const target = `${podPath(namespace, name)}?gracePeriodSeconds=${graceSeconds}`;
      await ask(plane, "DELETE", target);
    },
  };
}

function podPath(namespace: string, name: string): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

async function ask(
  plane: ControlPlane,
  method: string,
  target: string,
  body?: object,
  contentType?: string,
): Promise<void> {
  const options = contentType === undefined ? {} : { contentType };
  const answer = await plane.request(method, target, body, options);
  if (answer.status >= 300) throw new Error(`${method} ${target}: ${JSON.stringify(answer.body)}`);
}
