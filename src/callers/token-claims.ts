/** @module What a pod's token says of itself: enough to spare the API server a question, and never believed. */

export interface TokenClaims {
  /** The pod that the token says it is of. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly expiration: Date;
  readonly audiences: readonly string[];
}

const MAX_LENGTH = 16_384;
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The names of Kubernetes: anything else would be a question of its own in a query. */
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const UID = /^[\w-]{1,64}$/;

/** Undefined for what is no token of a pod. */
export function claimsOf(token: string): TokenClaims | undefined {
  if (token.length > MAX_LENGTH || !TOKEN.test(token)) return undefined;
  try {
    const text = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
    return claimsIn(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function claimsIn(claims: unknown): TokenClaims | undefined {
  const bound = partOf(claims, "kubernetes.io");
  const pod = partOf(bound, "pod");
  const uid = fitting(UID, partOf(pod, "uid"));
  const name = fitting(NAME, partOf(pod, "name"));
  const namespace = fitting(NAME, partOf(bound, "namespace"));
  const exp = partOf(claims, "exp");
  if (uid === undefined || name === undefined || namespace === undefined) return undefined;
  const expiration = new Date(typeof exp === "number" ? exp * 1000 : Number.NaN);
  // 1e300 is a number, and no date: compared with any other it would be neither past nor to come.
  if (!Number.isFinite(expiration.getTime())) return undefined;
  const aud = partOf(claims, "aud");
  const audiences = (Array.isArray(aud) ? aud : [aud]).filter((one) => typeof one === "string");
  return { uid, namespace, name, expiration, audiences };
}

function fitting(rule: RegExp, value: unknown): string | undefined {
  return typeof value === "string" && rule.test(value) ? value : undefined;
}

function partOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
