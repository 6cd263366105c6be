/** @module Whose token it is that a pod has sent: the API server's word, and nobody else's. */
import { refusalOf } from "./api-refusal.ts";
import type { KubernetesClient } from "./client-types.ts";
import { isObject, listIn, objectIn, textIn } from "./json.ts";

/** The pod that a token was issued to. */
export interface TokenOwner {
  readonly uid: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Its name. */
  readonly pod: string;
}

/** What is no token is not sent. */
const MAX_TOKEN_LENGTH = 16_384;
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

/**
 * The pod that `token` was issued to, or undefined when it is not valid, not for `audience`, or not
 * bound to a pod.
 *
 * @throws {@link ApiRefusal}, or {@link CrossroleError} `ERR_KUBERNETES_UNAVAILABLE`
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
 */
export async function reviewToken(
  client: KubernetesClient,
  token: string,
  options: { readonly audience: string; readonly signal?: AbortSignal | undefined },
): Promise<TokenOwner | undefined> {
  if (token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) return undefined;
  const answer = await client.request({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: {
      kind: "TokenReview",
      apiVersion: "authentication.k8s.io/v1",
      spec: { token, audiences: [options.audience] },
    },
    secret: token,
    signal: options.signal,
  });
  if (answer.status !== 201) throw refusalOf(answer, "review a pod's token");
  return ownerIn(objectIn(answer.body, "status"), options.audience);
}

function ownerIn(status: unknown, audience: string): TokenOwner | undefined {
  const isAuthenticated = isObject(status) && status["authenticated"] === true;
  // An API server that ignores audiences lists none.
  if (!isAuthenticated || !listIn(status, "audiences").includes(audience)) return undefined;
  const user = objectIn(status, "user");
  const name = SERVICE_ACCOUNT.exec(textIn(user, "username") ?? "");
  const extra = objectIn(user, "extra");
  const pod = onlyIn(extra, "authentication.kubernetes.io/pod-name");
  const uid = onlyIn(extra, "authentication.kubernetes.io/pod-uid");
  if (name === null || pod === undefined || uid === undefined) return undefined;
  const [, namespace = "", serviceAccount = ""] = name;
  return { uid, namespace, serviceAccount, pod };
}

/** The one value of a field; undefined when there is none, or there are several. */
function onlyIn(extra: unknown, key: string): string | undefined {
  const [value, ...more] = listIn(extra, key);
  return typeof value === "string" && value !== "" && more.length === 0 ? value : undefined;
}
