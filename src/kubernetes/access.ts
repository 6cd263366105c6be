/** @module As whom the API server lets this daemon ask: as its own node, or as itself. Found out by trying. */
import { CrossroleError } from "../errors.ts";
import { readToken } from "./api-files.ts";
import { refusalOf } from "./api-refusal.ts";
import type { ApiAnswer, ApiRefusal } from "./api-refusal.ts";
import type { KubernetesClient } from "./client-types.ts";
import { objectIn, textIn } from "./json.ts";

export type Access =
  /** Each call is made as the node (Kubernetes 1.36 and later): it may do what the kubelet may. */
  | { readonly kind: "impersonation"; readonly user: string }
  /** Each call is made as the service account, which an admission policy keeps short. */
  | { readonly kind: "rbac" };

/**
 * Lists one pod of the own node, as the node and else as itself: a SelfSubjectAccessReview would not
 * do, for it knows nothing of admission and of selectors.
 *
 * @param wanted `auto`, or the one that must work
 * @throws {@link CrossroleError} `ERR_KUBERNETES_DENIED` that tells what the API server said to each
 * and what to apply; `ERR_KUBERNETES_UNAVAILABLE`, after which it is still not known
 */
export async function findAccess(
  client: KubernetesClient,
  node: string,
  wanted: "auto" | "impersonation" | "rbac",
  signal?: AbortSignal,
): Promise<Access> {
  const refusals: string[] = [];
  const user = `system:node:${node}`;
  if (wanted !== "rbac") {
    const refusal = await tryList(client, node, user, signal);
    if (refusal === undefined) return { kind: "impersonation", user };
    refusals.push(`${refusal.message}${FOR_IMPERSONATION}`);
  }
  if (wanted !== "impersonation") {
    const refusal = await tryList(client, node, undefined, signal);
    if (refusal === undefined) return { kind: "rbac" };
    refusals.push(`${refusal.message}${FOR_RBAC}`);
  }
  throw new CrossroleError("ERR_KUBERNETES_DENIED", refusals.join(" - and - "));
}

const FOR_IMPERSONATION =
  " (kubernetes.access impersonation needs Kubernetes 1.36 and the ClusterRoles of deploy/kubernetes/install-impersonation.yaml)";
const FOR_RBAC =
  " (kubernetes.access rbac needs the ClusterRole and the ValidatingAdmissionPolicy crossrole-token-requests of deploy/kubernetes/install.yaml)";

/** Undefined when it is allowed. */
async function tryList(
  client: KubernetesClient,
  node: string,
  impersonate: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ApiRefusal | undefined> {
  const answer = await client.request({
    method: "GET",
    path: "/api/v1/pods",
    query: { fieldSelector: `spec.nodeName=${node}`, limit: "1" },
    impersonate,
    signal,
  });
  if (answer.status === 200) return undefined;
  const as = impersonate === undefined ? "as its own service account" : `as ${impersonate}`;
  const refusal = refusalOf(answer, `list the pods of node ${node} ${as}`);
  if (isVerdict(answer)) return refusal;
  throw refusal;
}

/** Whether another way to ask might be allowed: a server in trouble has said nothing on that. */
function isVerdict({ status }: ApiAnswer): boolean {
  return status === 403;
}

/** The node that a pod's token says its pod was bound to; undefined when it does not say (before 1.30). */
export function nodeOfToken(token: string): string | undefined {
  const [, payload = ""] = token.split(".");
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    return textIn(objectIn(objectIn(claims, "kubernetes.io"), "node"), "name");
  } catch {
    return undefined;
  }
}

/**
 * Checks that `node` is the node that this daemon's own token was issued on.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` when it is another's;
 * `ERR_KUBERNETES_UNAVAILABLE` when the token cannot be read
 */
export async function checkOwnNode(tokenFile: string, node: string): Promise<void> {
  const bound = nodeOfToken(await readToken(tokenFile));
  if (bound === undefined || bound === node) return;
  const message =
    `kubernetes.node is ${node}, but the token in ${tokenFile} was issued on node ${bound}; ` +
    "set NODE_NAME from the field spec.nodeName";
  throw new CrossroleError("ERR_CONFIG_INVALID", message);
}
