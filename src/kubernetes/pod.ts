/** @module What is kept of a pod: a dozen fields of the hundreds that the API server sends. */
import { normalAddress } from "./address.ts";
import { isObject, listIn, objectIn, textIn } from "./json.ts";
import type { JsonObject } from "./json.ts";

/**
 * A pod of this node.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
 */
export interface Pod {
  /** Tells this pod from every other, before and after: a StatefulSet's next pod has its name. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly node: string;
  /** `status.podIPs`, each in its one spelling (RFC 5952; no `::ffff:`); empty until the kubelet has said them. */
  readonly addresses: readonly string[];
  /** It shares the node's address with others: no address tells who it is. */
  readonly hostNetwork: boolean;
  /** It is not restarted for ever: it may end without anybody's order, and is told of later. */
  readonly endsByItself: boolean;
  /** Phase Succeeded or Failed: nothing of it runs, and its address may be another's already. */
  readonly finished: boolean;
  /** The end of its grace (`metadata.deletionTimestamp`), in milliseconds since the epoch, once it is being deleted. */
  readonly deletionMs: number | undefined;
  /** Those that may choose a role: `crossrole.dev/*` and `iam.amazonaws.com/*`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Whoever creates a pod writes its annotations: what is kept of them has a bound. */
const MAX_ANNOTATIONS = 16;
const MAX_ANNOTATION_LENGTH = 2_048;
/** A pod has one address a family; more are nobody's. */
const MAX_ADDRESSES = 8;
/** Of a name, a namespace, a UID: what the API server itself allows. */
const MAX_NAME_LENGTH = 253;

/**
 * What is kept of a pod as the API server sends it, or undefined when it is malformed or bound to no
 * node. A static pod has no service account: its `serviceAccount` is empty, and no token is to be had
 * for it, but it is known, so that its address is taken for nobody else's.
 */
export function podOf(object: unknown): Pod | undefined {
  const metadata = objectIn(object, "metadata");
  const spec = objectIn(object, "spec");
  const status = objectIn(object, "status");
  const uid = nameIn(metadata, "uid");
  const namespace = nameIn(metadata, "namespace");
  const name = nameIn(metadata, "name");
  const node = nameIn(spec, "nodeName");
  const deletionMs = deletionIn(metadata);
  if (uid === undefined || namespace === undefined || name === undefined) return undefined;
  if (node === undefined || Number.isNaN(deletionMs)) return undefined;
  const phase = status["phase"];
  return {
    uid,
    namespace,
    name,
    serviceAccount: nameIn(spec, "serviceAccountName") ?? "",
    node,
    addresses: addressesIn(status),
    hostNetwork: spec["hostNetwork"] === true,
    endsByItself: spec["restartPolicy"] !== "Always",
    finished: phase === "Succeeded" || phase === "Failed",
    deletionMs,
    annotations: podAnnotations(metadata),
  };
}

/** The UID of a pod that {@link podOf} would not take, as far as it has one. */
export function uidOf(object: unknown): string | undefined {
  return nameIn(objectIn(object, "metadata"), "uid");
}

/**
 * The annotations that `isWanted`: at most `max`, none longer than `maxLength`. One too long is left
 * out and never cut, for half of an allow-list may allow more than the whole.
 */
export function annotationsIn(
  metadata: JsonObject,
  isWanted: (key: string) => boolean,
  { max, maxLength }: { readonly max: number; readonly maxLength: number },
): Readonly<Record<string, string>> {
  const kept: [string, string][] = [];
  for (const [key, value] of Object.entries(objectIn(metadata, "annotations"))) {
    if (typeof value !== "string" || value.length > maxLength || !isWanted(key)) continue;
    kept.push([key, value]);
    if (kept.length === max) break;
  }
  return Object.fromEntries(kept);
}

function podAnnotations(metadata: JsonObject): Readonly<Record<string, string>> {
  return annotationsIn(
    metadata,
    (key) => key.startsWith("crossrole.dev/") || key.startsWith("iam.amazonaws.com/"),
    { max: MAX_ANNOTATIONS, maxLength: MAX_ANNOTATION_LENGTH },
  );
}

function nameIn(object: JsonObject, field: string): string | undefined {
  const name = textIn(object, field);
  return name !== undefined && name.length <= MAX_NAME_LENGTH ? name : undefined;
}

/** NaN when there is one that is no date. */
function deletionIn(metadata: JsonObject): number | undefined {
  const timestamp = metadata["deletionTimestamp"];
  if (timestamp === undefined || timestamp === null) return undefined;
  return typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN;
}

function addressesIn(status: JsonObject): readonly string[] {
  const said = listIn(status, "podIPs").map((entry) => (isObject(entry) ? entry["ip"] : undefined));
  const addresses = new Set<string>();
  for (const text of [...said, status["podIP"]]) {
    const address = typeof text === "string" ? normalAddress(text) : undefined;
    if (address !== undefined && addresses.size < MAX_ADDRESSES) addresses.add(address);
  }
  return [...addresses];
}
