/** @module A token for a pod's own service account, which is good while that very pod lives. */
import { CrossroleError } from "../errors.ts";
import { messageIn, refusalOf } from "./api-refusal.ts";
import type { ApiAnswer, ApiRefusal } from "./api-refusal.ts";
import type { KubernetesClient } from "./client-types.ts";
import { listIn, objectIn, textIn } from "./json.ts";
import type { Pod } from "./pod.ts";

/** One hour: what both tiers of RBAC allow, and what STS gives a chained session. */
const EXPIRATION_SECONDS = 3_600;

export interface TokenRequestOptions {
  readonly audience: string;
  /** 600 at least. Default 3600. */
  readonly expirationSeconds?: number;
  /** The user to be, `system:node:NODE`, or undefined for the service account itself. */
  readonly impersonate: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whose token it is to be. */
export type TokenPod = Pick<Pod, "uid" | "namespace" | "name" | "serviceAccount">;

/** A token and its end. The token is private, so that `util.inspect` and JSON do not show it. */
export class PodToken {
  readonly expiration: Date;
  readonly #token: string;

  constructor(token: string, expiration: Date) {
    this.#token = token;
    this.expiration = expiration;
  }

  get token(): string {
    return this.#token;
  }
}

/**
 * Asks for a token that is bound to the name and the UID of `pod`. The API server checks both, so
 * that an identity taken from a stale cache ends here.
 *
 * @throws {@link ApiRefusal} with `ERR_POD_STALE` when there is no such pod any more,
 * `ERR_KUBERNETES_DENIED` when a rule forbids it, `ERR_KUBERNETES_UNAVAILABLE` otherwise
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
 */
export async function requestToken(
  client: KubernetesClient,
  pod: TokenPod,
  options: TokenRequestOptions,
): Promise<PodToken> {
  const { audience, expirationSeconds = EXPIRATION_SECONDS, impersonate, signal } = options;
  if (pod.serviceAccount === "") {
    const message = `pod ${pod.namespace}/${pod.name} is static and has no service account, so no token can be had for it`;
    throw new CrossroleError("ERR_KUBERNETES_DENIED", message);
  }
  const namespace = encodeURIComponent(pod.namespace);
  const serviceAccount = encodeURIComponent(pod.serviceAccount);
  const answer = await client.request({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
    body: {
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      spec: {
        audiences: [audience],
        expirationSeconds,
        boundObjectRef: { kind: "Pod", apiVersion: "v1", name: pod.name, uid: pod.uid },
      },
    },
    impersonate,
    signal,
  });
  if (answer.status !== 201) throw refused(answer, pod, audience);
  const token = tokenIn(answer.body, pod, audience);
  if (token !== undefined) return token;
  const message = `the API server's answer to a token request for ${of(pod)} is none, or is for somebody else`;
  throw new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message);
}

/** Undefined unless it is for this pod and this audience alone. */
function tokenIn(body: unknown, pod: TokenPod, audience: string): PodToken | undefined {
  const spec = objectIn(body, "spec");
  const status = objectIn(body, "status");
  const token = textIn(status, "token");
  const expiration = new Date(textIn(status, "expirationTimestamp") ?? Number.NaN);
  if (token === undefined || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return undefined;
  if (Number.isNaN(expiration.getTime())) return undefined;
  const audiences = listIn(spec, "audiences");
  if (audiences.length !== 1 || audiences[0] !== audience) return undefined;
  if (textIn(objectIn(spec, "boundObjectRef"), "uid") !== pod.uid) return undefined;
  return new PodToken(token, expiration);
}

function refused(answer: ApiAnswer, pod: TokenPod, audience: string): ApiRefusal {
  const doing = `issue a token for ${of(pod)}`;
  if (isStale(answer)) {
    const advice = "the pod is gone or has been replaced since";
    return refusalOf(answer, doing, { code: "ERR_POD_STALE", advice });
  }
  const code = isDenied(answer.status) ? "ERR_KUBERNETES_DENIED" : "ERR_KUBERNETES_UNAVAILABLE";
  const advice = adviceOn(answer, audience);
  return refusalOf(answer, doing, advice === undefined ? { code } : { code, advice });
}

/** What is said for a pod that is not as the cache has it, to a service account and to a node. */
const STALE_WORDS: Readonly<Record<number, RegExp>> = {
  400: /running with (?:different )?service ?account/,
  // NodeRestriction compares the UID first; the Node authorizer knows no service account that no
  // pod of the node has any more, or not yet.
  403: /does not match the UID in record|no relationship found between node/,
  404: /not found$/,
  409: /./,
};

function isStale({ status, body }: ApiAnswer): boolean {
  return STALE_WORDS[status]?.test(messageIn(body)) === true;
}

function isDenied(status: number): boolean {
  return status === 401 || status === 403 || status === 422;
}

function adviceOn({ status, body }: ApiAnswer, audience: string): string | undefined {
  const words = messageIn(body);
  if (words.includes("ValidatingAdmissionPolicy")) {
    return "see the ValidatingAdmissionPolicy crossrole-token-requests, and kubernetes.audience";
  }
  if (status === 403 && words.includes("not found in pod spec volume")) {
    return (
      "grant the group system:nodes the verb request-serviceaccounts-token-audience on the " +
      `resource "${audience}" in API group ""`
    );
  }
  return undefined;
}

function of({ namespace, name, serviceAccount }: TokenPod): string {
  return `service account ${namespace}/${serviceAccount} of pod ${name}`;
}
