/** @module What the core speaks of: credentials, what they come from, and the ports it is given. */

interface CredentialsInit {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
  readonly issuedAt: Date;
  readonly requestId?: string | undefined;
}

/**
 * Credentials that can sign a request: long-lived keys, or temporary credentials.
 *
 * The secrets are private fields behind getters: neither `util.inspect`, `JSON.stringify`, a spread
 * nor a structured clone can show them. The access key id is no secret: it joins CloudTrail.
 */
export class SigningCredentials {
  readonly accessKeyId: string;
  /** Absent for credentials that do not expire, or whose provider does not say when. */
  readonly expiration: Date | undefined;
  /** When they were issued, as near as it is known. In the past of whoever reads it. */
  readonly issuedAt: Date;
  /** Of the call of STS that issued them: it joins CloudTrail. Absent where nobody said one. */
  readonly requestId: string | undefined;
  readonly #secretAccessKey: string;
  readonly #sessionToken: string | undefined;

  constructor(init: CredentialsInit) {
    this.accessKeyId = init.accessKeyId;
    this.expiration = init.expiration;
    this.issuedAt = init.issuedAt;
    this.requestId = init.requestId;
    this.#secretAccessKey = init.secretAccessKey;
    this.#sessionToken = init.sessionToken;
  }

  get secretAccessKey(): string {
    return this.#secretAccessKey;
  }

  get sessionToken(): string | undefined {
    return this.#sessionToken;
  }

  /** `util.inspect` calls getters too, when it is told to: it is shown what is no secret. */
  [Symbol.for("nodejs.util.inspect.custom")](): object {
    const { accessKeyId, expiration, issuedAt } = this;
    return { accessKeyId, expiration, issuedAt };
  }
}

/** What STS hands out for a role session: always with a session token and an expiration. */
export class TemporaryCredentials extends SigningCredentials {
  declare readonly expiration: Date;
  readonly #sessionToken: string;

  constructor(
    init: CredentialsInit & { readonly sessionToken: string; readonly expiration: Date },
  ) {
    super(init);
    this.#sessionToken = init.sessionToken;
  }

  override get sessionToken(): string {
    return this.#sessionToken;
  }
}

/** Where the first AssumeRole's signature comes from. */
export type BaseProvider =
  | { readonly kind: "default" }
  | { readonly kind: "profile"; readonly profile: string }
  | { readonly kind: "environment" }
  | { readonly kind: "container" }
  | { readonly kind: "instance" }
  | { readonly kind: "process"; readonly command: string }
  | {
      readonly kind: "webIdentity";
      readonly tokenFile: string;
      readonly roleArn: string;
      readonly sessionName: string;
      readonly durationSeconds: number;
    };

/** Base credentials: what the first AssumeRole of a chain is signed with. */
export interface BaseCredentials {
  readonly kind: "base";
  /** The name under `bases` in the configuration. */
  readonly name: string;
  readonly provider: BaseProvider;
  /** The region whose STS is asked, for providers that ask STS. */
  readonly region: string;
}

/**
 * A pod as the web identity that the first role of a chain is assumed with: the token of its own
 * service account, bound to this pod and to no other.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
 */
export interface PodIdentity {
  readonly kind: "pod";
  readonly uid: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name: string;
}

/**
 * One assumption of a role, with every input that STS, or a policy, could tell apart. What the
 * cache is keyed by. A hop on the way is the `source` of the session behind it.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
 */
export interface RoleSession {
  readonly kind: "role";
  /** What signs the AssumeRole call: the base, or the session of the hop before; or a pod, whose token is shown. */
  readonly source: BaseCredentials | PodIdentity | RoleSession;
  readonly roleArn: string;
  readonly sessionName: string;
  /** 900 to 43200. */
  readonly durationSeconds: number;
  readonly region: string;
  readonly externalId?: string | undefined;
  readonly sessionTags: Readonly<Record<string, string>>;
  readonly transitiveTagKeys: readonly string[];
  readonly sourceIdentity?: string | undefined;
  readonly policyArns: readonly string[];
  /** An inline session policy, as JSON text. */
  readonly policy?: string | undefined;
}

export type CredentialSource = BaseCredentials | RoleSession;

/** The pod at the start of a chain; undefined for one that starts with base credentials. */
export function podOfSource(source: CredentialSource): PodIdentity | undefined {
  let start: CredentialSource | PodIdentity = source;
  while (start.kind === "role") start = start.source;
  return start.kind === "pod" ? start : undefined;
}

/**
 * Assumes one role, signed by `signer`. One call to STS, no retry.
 *
 * @throws {@link CrossroleError} with a code of STS's or of the base's.
 */
export type AssumeRole = (
  session: RoleSession,
  signer: SigningCredentials,
  options: { readonly signal: AbortSignal },
) => Promise<TemporaryCredentials>;

/**
 * Assumes the first role of a pod's chain with the token of its service account. One call to STS.
 *
 * @throws {@link CrossroleError} with a code of STS's or of Kubernetes'.
 */
export type AssumeRoleOfPod = (
  session: RoleSession,
  pod: PodIdentity,
  options: { readonly signal: AbortSignal },
) => Promise<TemporaryCredentials>;

/**
 * A token of the pod's service account that STS accepts as a web identity.
 *
 * @throws {@link CrossroleError} `ERR_POD_STALE` when there is no such pod any more, or a code of Kubernetes'.
 */
export type IdentityToken = (
  pod: PodIdentity,
  options: { readonly signal: AbortSignal },
) => Promise<string>;

/**
 * Loads base credentials from where they are kept.
 *
 * @throws {@link CrossroleError} `ERR_BASE_UNAVAILABLE` that names the base and what was tried.
 */
export type LoadBaseCredentials = (
  base: BaseCredentials,
  options: { readonly signal: AbortSignal },
) => Promise<SigningCredentials>;

/** Credentials of a session: at once when they are held, else within `holdMs`. */
export type CredentialsFor = (
  session: RoleSession,
  options: { readonly holdMs: number },
) => TemporaryCredentials | Promise<TemporaryCredentials>;

/** What is known of a session or a base, for whoever shows it. No secret, and nothing that changes it. */
export interface SourceState {
  /** What is held and has not expired. */
  readonly held:
    | {
        readonly credentials: SigningCredentials;
        /** Milliseconds of life left; infinite for long-lived keys. */
        readonly remainingMs: number;
        /** Milliseconds from when they were obtained to their expiration; infinite for long-lived keys. */
        readonly lifeMs: number;
        /** Milliseconds since they were obtained. */
        readonly ageMs: number;
        /** Milliseconds until they are renewed. */
        readonly untilRenewalMs: number;
      }
    | undefined;
  /** How the last attempt failed; undefined after one that did not. */
  readonly failure:
    | { readonly error: Error; readonly agoMs: number; readonly retryInMs: number }
    | undefined;
  /** Whether STS, or whoever has the base, is being asked. */
  readonly isAsking: boolean;
}

/** Now, on both clocks: the wall clock may be set, the monotonic one stops while a laptop sleeps. */
export interface Instant {
  /** Milliseconds since the epoch. */
  readonly wallMs: number;
  /** Milliseconds since some start; never goes back. */
  readonly monotonicMs: number;
}

/** What happened to a session, for whoever keeps the log and the metrics. */
export type CredentialEvent =
  | {
      readonly type: "obtained";
      readonly source: CredentialSource;
      readonly credentials: SigningCredentials;
      /** False for the first, true for a renewal of what was held. */
      readonly renewal: boolean;
      readonly elapsedMs: number;
    }
  | {
      readonly type: "failed";
      readonly source: CredentialSource;
      readonly error: Error;
      /** Milliseconds of life left in what is still held; 0 when nobody is served. */
      readonly remainingMs: number;
      readonly retryInMs: number;
    }
  /** Taken over from a daemon before this one, when it was first asked for. */
  | {
      readonly type: "restored";
      readonly source: CredentialSource;
      readonly credentials: SigningCredentials;
    }
  /** Let go because nobody asked for it during one whole lifetime. */
  | { readonly type: "lapsed"; readonly source: CredentialSource }
  /** Let go because the configuration no longer has it. */
  | { readonly type: "dropped"; readonly source: CredentialSource };
