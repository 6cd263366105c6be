/** @module Reads pods by LIST: all of a node in pages, or the few that an address or a name selects. */
import { CrossroleError } from "../errors.ts";
import { ApiRefusal, refusalOf } from "./api-refusal.ts";
import { TooLargeError } from "./bodies.ts";
import type { KubernetesClient } from "./client-types.ts";
import { isObject, listIn, objectIn, textIn } from "./json.ts";
import { podOf } from "./pod.ts";
import type { Pod } from "./pod.ts";

/** Pods of one page: all of a usual node, a few megabytes. */
const PAGE = 100;
/** A page of pods may be read from the disks of etcd: 15 seconds. */
const LIST_TIMEOUT_MS = 15_000;
/** How often a listing starts anew because its continuation has expired, or a page is too large. */
const MAX_RESTARTS = 3;

export interface ListPodsOptions {
  readonly node: string;
  /** The user to be, `system:node:NODE`, or undefined for the service account itself. */
  readonly impersonate: string | undefined;
  /** In its one spelling, as `normalAddress` gives it. */
  readonly address?: string;
  readonly namespace?: string;
  /** Given with a namespace. */
  readonly name?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The pods of a node that the API server knows now, and not as a cache remembers them.
 *
 * @throws {@link ApiRefusal}, or {@link CrossroleError} `ERR_KUBERNETES_UNAVAILABLE`
 */
export async function listPods(client: KubernetesClient, options: ListPodsOptions): Promise<Pod[]> {
  const { address, ...others } = options;
  const { pods } = await listPages(client, options);
  if (address === undefined) return pods;
  const having = pods.filter((pod) => pod.addresses.includes(address));
  if (having.length > 0) return having;
  // `status.podIP` selects by the first address alone, and as the kubelet has spelled it.
  const all = await listPages(client, others);
  return all.pods.filter((pod) => pod.addresses.includes(address));
}

export interface PodList {
  readonly pods: Pod[];
  /** What a watch goes on from. */
  readonly resourceVersion: string | undefined;
}

/**
 * Every page of a listing, all as of one resource version.
 *
 * A listing with a limit is read from etcd by API servers before 1.34, and one without from their
 * memory: what selects a few pods is asked for without.
 */
export async function listPages(
  client: KubernetesClient,
  options: ListPodsOptions & { readonly pageSize?: number },
): Promise<PodList> {
  const selectsFew = options.address !== undefined || options.name !== undefined;
  let limit = selectsFew ? undefined : (options.pageSize ?? PAGE);
  for (let restarts = 0; ; restarts++) {
    try {
      return await listOnce(client, options, limit);
    } catch (error) {
      if (restarts === MAX_RESTARTS) throw error;
      // Whoever creates pods decides how long they are.
      if (error instanceof TooLargeError) limit = Math.ceil((limit ?? PAGE * 10) / 10);
      else if (!isExpired(error)) throw error;
    }
  }
}

async function listOnce(
  client: KubernetesClient,
  options: ListPodsOptions,
  limit: number | undefined,
): Promise<PodList> {
  const pods: Pod[] = [];
  let continued: string | undefined;
  for (;;) {
    const body = await listPage(client, options, {
      ...(limit === undefined ? {} : { limit: String(limit) }),
      ...(continued === undefined ? {} : { continue: continued }),
    });
    for (const item of listIn(body, "items")) {
      const pod = podOf(item);
      // Whatever a selector let through: another node's pods are none of ours.
      if (pod?.node === options.node) pods.push(pod);
    }
    const metadata = objectIn(body, "metadata");
    continued = textIn(metadata, "continue");
    if (continued === undefined) {
      return { pods, resourceVersion: textIn(metadata, "resourceVersion") };
    }
  }
}

async function listPage(
  client: KubernetesClient,
  { node, address, namespace, name, impersonate, signal }: ListPodsOptions,
  query: Readonly<Record<string, string>>,
): Promise<unknown> {
  const selectors = [
    `spec.nodeName=${node}`,
    ...(address === undefined ? [] : [`status.podIP=${address}`]),
    ...(name === undefined ? [] : [`metadata.name=${name}`]),
  ];
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  const answer = await client.request({
    method: "GET",
    path: `/api/v1${within}/pods`,
    query: { fieldSelector: selectors.join(","), ...query },
    impersonate,
    signal,
    timeoutMs: LIST_TIMEOUT_MS,
  });
  const { status, body } = answer;
  if (status !== 200) throw refusalOf(answer, `list the pods of node ${node}`);
  // An object of anybody else's would be a list of no pods.
  if (isObject(body) && body["kind"] === "PodList") return body;
  const message = "what answers at the API server's address is none: it sent no PodList";
  throw new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message);
}

function isExpired(error: unknown): boolean {
  return error instanceof ApiRefusal && error.status === 410;
}
