/** @module The fake API server's tokens: signed by RS256, with the claims of real ones, refused for the same reasons. */
import { createSign, createVerify, generateKeyPairSync, randomUUID } from "node:crypto";
import { DAEMON, forbiddenFor } from "./fake-api-server-access.ts";
import type { Grants, User } from "./fake-api-server-access.ts";
import { badRequest, invalid, notFound, Refusal } from "./fake-api-server-answers.ts";
import type { Answer } from "./fake-api-server-answers.ts";
import type { PodObject, World } from "./fake-api-server-world.ts";

const API_AUDIENCE = "https://kubernetes.default.svc";

interface Claims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly iss: string;
  readonly jti: string;
  readonly "kubernetes.io": {
    readonly namespace: string;
    readonly node?: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
    readonly serviceaccount: { readonly name: string; readonly uid: string };
  };
  readonly nbf: number;
  readonly sub: string;
}

/** One key for all fakes of a process: making one takes a while. */
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const KEY_ID = "fake-api-server-key";

export class Tokens {
  /** The issuer: `https://127.0.0.1:PORT`, as the real one writes it. */
  issuer = "";
  readonly revoked = new Set<string>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  jwks(): object {
    const jwk = publicKey.export({ format: "jwk" });
    return { keys: [{ use: "sig", kty: "RSA", kid: KEY_ID, alg: "RS256", n: jwk.n, e: jwk.e }] };
  }

  discovery(): object {
    return {
      issuer: this.issuer,
      jwks_uri: `${this.issuer}/openid/v1/jwks`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
    };
  }

  /** A token for the service account of `pod`; `pod` undefined makes one that is bound to nothing. */
  issue(
    of: { readonly namespace: string; readonly serviceAccount: string; readonly pod?: PodObject },
    audiences: readonly string[] = [API_AUDIENCE],
    seconds = 3_600,
  ): string {
    const { namespace, serviceAccount, pod } = of;
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const account = this.#world.serviceAccounts.get(`${namespace}/${serviceAccount}`);
    const node = pod?.spec.nodeName;
    const bound = {
      ...(node === undefined ? {} : { node: { name: node, uid: this.#world.nodes.get(node) } }),
      ...(pod === undefined ? {} : { pod: { name: pod.metadata.name, uid: pod.metadata.uid } }),
    };
    return sign({
      aud: audiences,
      exp: nowSeconds + seconds,
      iat: nowSeconds,
      iss: this.issuer,
      jti: randomUUID(),
      "kubernetes.io": {
        namespace,
        ...bound,
        serviceaccount: { name: serviceAccount, uid: account?.metadata.uid ?? "" },
      },
      nbf: nowSeconds,
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
    } as Claims);
  }

  /** Whose token it is, or why it is nobody's. */
  userOf(token: string, audiences: readonly string[] = [API_AUDIENCE]): User | string {
    const claims = verified(token);
    if (claims === undefined) return "invalid bearer token";
    if (this.revoked.has(token))
      return "[invalid bearer token, service account token has been invalidated]";
    const shared = claims.aud.filter((audience) => audiences.includes(audience));
    if (shared.length === 0) {
      return `[invalid bearer token, token audiences ${goList(claims.aud)} is invalid for the target audiences ${goList(audiences)}]`;
    }
    const nowSeconds = Date.now() / 1_000;
    if (claims.exp < nowSeconds) return "[invalid bearer token, service account token has expired]";
    return this.#living(claims);
  }

  #living(claims: Claims): User | string {
    const { namespace, pod, node, serviceaccount } = claims["kubernetes.io"];
    const account = this.#world.serviceAccounts.get(`${namespace}/${serviceaccount.name}`);
    if (account?.metadata.uid !== serviceaccount.uid) {
      return `[invalid bearer token, serviceaccounts "${serviceaccount.name}" not found]`;
    }
    const gone = "[invalid bearer token, service account token has been invalidated]";
    if (pod !== undefined) {
      const known = this.#world.pods.get(`${namespace}/${pod.name}`);
      if (known === undefined) return gone;
      if (known.metadata.uid !== pod.uid) {
        return `[invalid bearer token, pod UID (${known.metadata.uid}) does not match service account pod ref claim (${pod.uid})]`;
      }
      // The leeway of the real one's clock: a minute.
      const ended = Date.parse(known.metadata.deletionTimestamp ?? "");
      if (ended < Date.now() - 60_000) return gone;
    }
    const key = "authentication.kubernetes.io";
    return {
      username: claims.sub,
      uid: serviceaccount.uid,
      groups: [
        "system:serviceaccounts",
        `system:serviceaccounts:${namespace}`,
        "system:authenticated",
      ],
      extra: {
        [`${key}/credential-id`]: [`JTI=${claims.jti}`],
        ...(node === undefined
          ? {}
          : { [`${key}/node-name`]: [node.name], [`${key}/node-uid`]: [node.uid] }),
        ...(pod === undefined
          ? {}
          : { [`${key}/pod-name`]: [pod.name], [`${key}/pod-uid`]: [pod.uid] }),
      },
    };
  }

  /** POST …/serviceaccounts/NAME/token, in the order in which the real one looks at things. */
  request(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    user: User,
    grants: Grants,
    body: TokenRequestBody,
  ): Answer {
    const spec = {
      audiences: body.spec?.audiences?.length ? body.spec.audiences : [API_AUDIENCE],
      expirationSeconds: body.spec?.expirationSeconds ?? 3_600,
      boundObjectRef: body.spec?.boundObjectRef,
    };
    if (user.username.startsWith("system:node:")) {
      this.#admitNode(namespace, name, user.username.slice(12), grants, body.spec ?? {});
    }
    const account = this.#world.serviceAccounts.get(`${namespace}/${name}`);
    if (account === undefined) throw notFound("serviceaccounts", name);
    checkSeconds(spec.expirationSeconds);
    if (grants.policy && user.username === DAEMON) admitPolicy(name, user, spec);
    const pod = this.#boundPod(namespace, name, spec.boundObjectRef);
    const of = { namespace, serviceAccount: name, ...(pod === undefined ? {} : { pod }) };
    const creationTimestamp = timestamp(Date.now());
    return {
      status: 201,
      body: {
        kind: "TokenRequest",
        apiVersion: "authentication.k8s.io/v1",
        metadata: { name, namespace, uid: account.metadata.uid, creationTimestamp },
        spec: { ...spec, boundObjectRef: spec.boundObjectRef ?? null },
        status: {
          token: this.issue(of, spec.audiences, spec.expirationSeconds),
          expirationTimestamp: timestamp(Date.now() + spec.expirationSeconds * 1_000),
        },
      },
    };
  }

  #boundPod(namespace: string, serviceAccount: string, ref: BoundRef | undefined) {
    if (ref === undefined) return undefined;
    if (ref.kind !== "Pod" || ref.apiVersion !== "v1") {
      throw badRequest(`cannot bind token to object of type ${ref.apiVersion}, Kind=${ref.kind}`);
    }
    const pod = this.#world.pods.get(`${namespace}/${ref.name}`);
    if (pod === undefined) throw notFound("pods", ref.name ?? "");
    if (pod.spec.serviceAccountName !== serviceAccount) {
      throw badRequest(
        `cannot bind token for serviceaccount "${serviceAccount}" to pod running with different serviceaccount name.`,
      );
    }
    if (ref.uid && ref.uid !== pod.metadata.uid) {
      throw new Refusal(
        409,
        `Operation cannot be fulfilled on Pod "${ref.name}": ${uidMismatch(ref.uid)}`,
        { reason: "Conflict", details: { name: ref.name, kind: "Pod" } },
      );
    }
    return pod;
  }

  /** The admission plugin NodeRestriction. */
  #admitNode(
    namespace: string,
    name: string,
    node: string,
    grants: Grants,
    { boundObjectRef: ref, audiences = [] }: NonNullable<TokenRequestBody["spec"]>,
  ): void {
    const deny = (why: string) =>
      forbiddenFor({ group: "", resource: "serviceaccounts" }, why, name);
    if (ref?.kind !== "Pod" || ref.apiVersion !== "v1" || !ref.name) {
      throw deny("node requested token not bound to a pod");
    }
    if (!ref.uid) throw deny("node requested token with a pod binding without a uid");
    const pod = this.#world.pods.get(`${namespace}/${ref.name}`);
    if (pod === undefined) throw notFound("pod", ref.name);
    if (ref.uid !== pod.metadata.uid) throw deny(uidMismatch(ref.uid));
    if (pod.spec.nodeName !== node) {
      throw deny("node requested token bound to a pod scheduled on a different node");
    }
    if (audiences.length > 1) throw deny("node may only request 0 or 1 audiences");
    const audience = audiences[0] ?? "";
    const isMounted = JSON.stringify(pod.spec.volumes ?? []).includes(`"audience":"${audience}"`);
    if (isMounted || (grants.audience && audience === "sts.amazonaws.com")) return;
    throw deny(
      `audience "${audience}" not found in pod spec volume, system:node:${node} is not authorized to request tokens for this audience`,
    );
  }

  /** POST /apis/authentication.k8s.io/v1/tokenreviews */
  review(body: {
    readonly spec?: { readonly token?: string; readonly audiences?: string[] };
  }): Answer {
    const token = body.spec?.token ?? "";
    if (token === "") throw badRequest("token is required for TokenReview in authentication");
    const audiences = body.spec?.audiences?.length ? body.spec.audiences : [API_AUDIENCE];
    const user = this.userOf(token, audiences);
    const shared = verified(token)?.aud.filter((audience) => audiences.includes(audience));
    const status =
      typeof user === "string"
        ? { user: {}, error: user }
        : { authenticated: true, user, audiences: shared };
    return {
      status: 201,
      body: {
        kind: "TokenReview",
        apiVersion: "authentication.k8s.io/v1",
        metadata: {},
        spec: body.spec,
        status,
      },
    };
  }
}

interface BoundRef {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly name?: string;
  readonly uid?: string;
}

export interface TokenRequestBody {
  readonly spec?: {
    readonly audiences?: readonly string[];
    readonly expirationSeconds?: number;
    readonly boundObjectRef?: BoundRef;
  };
}

function checkSeconds(value: number): void {
  const isShort = value < 600;
  if (!isShort && value <= 2 ** 32) return;
  const message = isShort
    ? "may not specify a duration less than 10 minutes"
    : "may not specify a duration larger than 2^32 seconds";
  const field = "spec.expirationSeconds";
  throw invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, [
    { type: "FieldValueInvalid", field, value, message },
  ]);
}

/** The ValidatingAdmissionPolicy of tier B. */
function admitPolicy(
  name: string,
  user: User,
  spec: {
    audiences: readonly string[];
    expirationSeconds: number;
    boundObjectRef?: BoundRef | undefined;
  },
): void {
  const why = policyRefusal(user, spec);
  if (why === undefined) return;
  const said = `ValidatingAdmissionPolicy 'crossrole-token-requests' with binding 'crossrole-token-requests' denied request: ${why}`;
  throw new Refusal(422, `serviceaccounts "${name}" is forbidden: ${said}`, {
    reason: "Invalid",
    details: { name, kind: "serviceaccounts", causes: [{ message: said }] },
  });
}

function policyRefusal(
  user: User,
  { audiences, expirationSeconds, boundObjectRef: ref }: Parameters<typeof admitPolicy>[2],
): string | undefined {
  if (user.extra["authentication.kubernetes.io/node-name"] === undefined) {
    return "crossrole must use its own pod-bound token";
  }
  if (audiences.join(",") !== "sts.amazonaws.com") {
    return `crossrole may only request audience sts.amazonaws.com, not ${audiences.join(",")}`;
  }
  if (ref?.kind !== "Pod" || !ref.uid) return "crossrole may only request tokens bound to a pod";
  if (expirationSeconds > 3_600) return "crossrole may only request tokens for an hour";
  return undefined;
}

function uidMismatch(uid: string): string {
  return `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
}

function sign(claims: Claims): string {
  const header = encoded({ alg: "RS256", kid: KEY_ID });
  const signed = `${header}.${encoded(claims)}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
}

function verified(token: string): Claims | undefined {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const check = createVerify("RSA-SHA256").update(`${header}.${payload}`);
  if (!check.verify(publicKey, signature, "base64url")) return undefined;
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims;
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function goList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(" ")}]`;
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z/, "Z");
}
