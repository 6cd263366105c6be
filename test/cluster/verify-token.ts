/** @module What STS does with a web identity token: its signature by the issuer's keys, then iss, aud and exp. */
import { createPublicKey, verify } from "node:crypto";
import type { JsonWebKey } from "node:crypto";

/** The keys of an issuer, as `/openid/v1/jwks` gives them. */
export interface JsonWebKeySet {
  readonly keys: readonly (JsonWebKey & { readonly kid?: string })[];
}

/** What the API server writes into the token of a service account. */
export interface ServiceAccountClaims {
  readonly iss: string;
  /** `system:serviceaccount:NAMESPACE:NAME` */
  readonly sub: string;
  readonly aud: readonly string[];
  /** Seconds since the epoch. */
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly jti: string;
  readonly "kubernetes.io": {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly node?: { readonly name: string; readonly uid: string };
  };
}

/** What a token must be, besides signed. */
export interface Expected {
  readonly issuer: string;
  readonly audience: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * The claims of `token`.
 *
 * @throws Error that says what is wrong with it.
 */
export function verifyToken(
  token: string,
  { keys }: JsonWebKeySet,
  { issuer, audience, nowMs }: Expected,
): ServiceAccountClaims {
  const [header = "", payload = "", signature = "", ...more] = token.split(".");
  if (signature === "" || more.length > 0) throw new Error("not a signed token");
  const { alg, kid } = decode(header) as { alg?: unknown; kid?: unknown };
  // The header is the sender's word: the one algorithm is ours to say.
  if (alg !== "RS256") throw new Error(`signed with ${String(alg)}, not RS256`);
  const jwk = keys.find((key) => key.kid === kid);
  if (jwk === undefined) throw new Error(`no key ${String(kid)}`);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify("RSA-SHA256", signed, key, Buffer.from(signature, "base64url")))
    throw new Error("the signature is not the issuer's");

  const claims = decode(payload) as ServiceAccountClaims;
  if (claims.iss !== issuer) throw new Error(`issued by ${claims.iss}, not ${issuer}`);
  if (!claims.aud.includes(audience)) throw new Error(`for ${claims.aud.join()}, not ${audience}`);
  if (claims.exp * 1000 <= nowMs) throw new Error("it has expired");
  if (claims.nbf * 1000 > nowMs) throw new Error("it is not valid yet");
  return claims;
}

function decode(part: string): unknown {
  return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
}
