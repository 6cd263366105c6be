/** @module One line of a watch, read: a change of a pod, a bookmark, or the end. */
import { ApiRefusal, refusalOf } from "./api-refusal.ts";
import { isObject, objectIn, textIn } from "./json.ts";
import { podOf, uidOf } from "./pod.ts";
import type { Pod } from "./pod.ts";

/** What becomes of what is known of the pods of a node. */
export type PodChange =
  /** These are all there are. */
  | { readonly type: "replaced"; readonly pods: readonly Pod[] }
  | { readonly type: "applied"; readonly pod: Pod }
  | { readonly type: "deleted"; readonly uid: string };

export interface PodEvent {
  /** Undefined for a bookmark, and for what is no pod. */
  readonly change: Exclude<PodChange, { readonly type: "replaced" }> | undefined;
  readonly resourceVersion: string | undefined;
  /** A bookmark that says: all there was has been sent. */
  readonly endsInitialEvents: boolean;
}

/** An `ERROR` within a watch, and so behind a status of 200. */
export class WatchError extends ApiRefusal {}

/**
 * @throws {@link WatchError} with the code of an `ERROR`, 410 for a resource version that is too old
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export function podEventOf(line: unknown, node: string): PodEvent {
  const type = isObject(line) ? line["type"] : undefined;
  const object = objectIn(line, "object");
  const metadata = objectIn(object, "metadata");
  if (type === "ERROR") throw errorOf(object, node);
  return {
    change: type === "BOOKMARK" ? undefined : changeOf(type, object, node),
    resourceVersion: textIn(metadata, "resourceVersion"),
    endsInitialEvents:
      type === "BOOKMARK" &&
      objectIn(metadata, "annotations")["k8s.io/initial-events-end"] === "true",
  };
}

function changeOf(type: unknown, object: unknown, node: string): PodEvent["change"] {
  const uid = uidOf(object);
  if (uid === undefined) return undefined;
  const pod = type === "ADDED" || type === "MODIFIED" ? podOf(object) : undefined;
  // What cannot be read is not known, and what was known of it is not true any more.
  return pod?.node === node ? { type: "applied", pod } : { type: "deleted", uid };
}

function errorOf(status: unknown, node: string): WatchError {
  const code = isObject(status) ? status["code"] : undefined;
  const answer = { status: typeof code === "number" ? code : 500, body: status };
  const { message } = refusalOf(answer, `watch the pods of node ${node}`);
  return new WatchError(answer.status, message);
}
