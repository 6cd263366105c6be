/** @module What the controllers, the scheduler and the kubelets of a cluster would write, written by a test. */
import type { ApiObject, ApiStatus } from "./api-client.ts";
import type { ControlPlane } from "./control-plane.ts";

export interface Metadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PodObject extends ApiObject {
  readonly spec: {
    readonly nodeName?: string;
    readonly serviceAccountName: string;
    readonly containers: readonly ContainerObject[];
    readonly initContainers?: readonly ContainerObject[];
    readonly volumes?: readonly { readonly name: string }[];
  };
  readonly status: { readonly phase: string; readonly podIPs?: readonly { readonly ip: string }[] };
}

interface ContainerObject {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}

export interface NewPod extends Metadata {
  readonly namespace: string;
  readonly name: string;
  /** `default` by default. */
  readonly serviceAccount?: string;
  /** The node that it is bound to, as the scheduler would; none by default. */
  readonly node?: string;
  /** Whatever else its specification has. */
  readonly spec?: object;
}

/** Creates `object` in the collection at `path`. @throws Error unless it is created. */
async function create<T = ApiObject>(
  plane: ControlPlane,
  path: string,
  object: object,
): Promise<T> {
  const { status, body } = await plane.request<T & ApiStatus>("POST", path, object);
  if (status !== 201) throw new Error(`POST ${path}: ${status} ${body.message}`);
  return body;
}

/** Creates a namespace with its `default` service account, which a controller would make. */
export async function createNamespace(
  plane: ControlPlane,
  name: string,
  metadata: Metadata = {},
): Promise<ApiObject> {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name, ...metadata } };
  const created = await create(plane, "/api/v1/namespaces", namespace);
  await createServiceAccount(plane, name, "default");
  return created;
}

export async function createServiceAccount(
  plane: ControlPlane,
  namespace: string,
  name: string,
  metadata: Metadata = {},
): Promise<ApiObject> {
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, ...metadata } };
  return await create(plane, `/api/v1/namespaces/${namespace}/serviceaccounts`, account);
}

export async function createNode(plane: ControlPlane, name: string): Promise<ApiObject> {
  const node = { apiVersion: "v1", kind: "Node", metadata: { name } };
  return await create(plane, "/api/v1/nodes", node);
}

/** Creates a pod with one container, `app`, which no kubelet starts. */
export async function createPod(plane: ControlPlane, pod: NewPod): Promise<PodObject> {
  const { namespace, name, serviceAccount = "default", node, labels, annotations, spec } = pod;
  return await create<PodObject>(plane, `/api/v1/namespaces/${namespace}/pods`, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...(labels && { labels }), ...(annotations && { annotations }) },
    spec: {
      serviceAccountName: serviceAccount,
      ...(node !== undefined && { nodeName: node }),
      containers: [{ name: "app", image: "example.test/app" }],
      ...spec,
    },
  });
}

/** What the kubelet says of a pod that runs (`addresses`: `status.podIPs`), or no longer does. */
export async function setPodStatus(
  plane: ControlPlane,
  { metadata: { namespace, name } }: ApiObject,
  {
    phase = "Running",
    addresses = [],
  }: {
    readonly phase?: "Pending" | "Running" | "Succeeded" | "Failed";
    readonly addresses?: readonly string[];
  },
): Promise<PodObject> {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
  const podIPs = addresses.map((ip) => ({ ip }));
  const { status, body } = await plane.request<PodObject & ApiStatus>(
    "PATCH",
    path,
    { status: { phase, ...(podIPs.length > 0 && { podIP: addresses[0], podIPs }) } },
    { contentType: "application/merge-patch+json" },
  );
  if (status !== 200) throw new Error(`PATCH ${path}: ${status} ${body.message}`);
  return body;
}

/**
 * Deletes a pod: with a grace it is terminating until it is deleted again with none, as the kubelet
 * does once its containers have ended.
 */
export async function deletePod(
  plane: ControlPlane,
  { metadata: { namespace, name, uid } }: ApiObject,
  graceSeconds = 0,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  const { status, body } = await plane.request("DELETE", path, {
    apiVersion: "v1",
    kind: "DeleteOptions",
    gracePeriodSeconds: graceSeconds,
    preconditions: { uid },
  });
  if (status !== 200) throw new Error(`DELETE ${path}: ${status} ${body.message}`);
}
