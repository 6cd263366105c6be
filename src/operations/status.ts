/** @module What /status.json says: the state of a daemon at one moment. Times are in ISO 8601. No secret is in it. */

/**
 * `ok`: valid credentials are held. `failing`: they are held, and could not be renewed. `down`: none
 * are held, and the last attempt failed: whoever asks gets an error. `pending`: they are being
 * obtained for the first time. `idle`: nobody asked for a whole lifetime; the next one starts it anew.
 */
export type RoleState = (typeof ROLE_STATES)[number];
export const ROLE_STATES = ["ok", "failing", "down", "pending", "idle"] as const;

/** A failed attempt to obtain or renew. */
export interface FailureStatus {
  readonly code: string;
  readonly message: string;
  readonly at: string;
  readonly retryInSeconds: number;
}

/** What is held of a session. */
export interface HeldStatus {
  readonly accessKeyId: string;
  /** Of the call of STS that issued it. */
  readonly stsRequestId?: string | undefined;
  readonly obtainedAt: string;
  /** Absent for credentials that do not say. */
  readonly expiration?: string | undefined;
  readonly remainingSeconds?: number | undefined;
  /** From when it was obtained to its expiration. */
  readonly lifeSeconds?: number | undefined;
  readonly renewsInSeconds: number;
}

/** One link of a chain: where it starts, or a role that is assumed. */
export interface StepStatus {
  readonly kind: "base" | "pod" | "role";
  /** The base's name, the pod's service account, or the role's name without its path. */
  readonly name: string;
  /** What it is: a kind of base, or the role's ARN. */
  readonly detail: string;
  /** Absent where a chain starts with keys of an account that nobody has said. */
  readonly account?: string | undefined;
  readonly sessionName?: string | undefined;
  /** Whether an external id is sent. Never which: those who know it may be let in. */
  readonly hasExternalId: boolean;
  readonly held?: HeldStatus | undefined;
  readonly failure?: FailureStatus | undefined;
}

export interface CallerStatus {
  /** `uid:1000`, an address, or `pod:UID`. */
  readonly caller: string;
  /** Namespace and name of a pod. */
  readonly pod?: string | undefined;
  readonly accessKeyId: string;
  readonly since: string;
}

export interface RoleStatus {
  readonly name: string;
  readonly arn: string;
  readonly state: RoleState;
  /** Whether it has been obtained once. */
  readonly ready: boolean;
  /** Where it is served; empty for a role that pods get, or nobody. */
  readonly servedAt: readonly string[];
  /** From base credentials to the role itself, which is the last. */
  readonly chain: readonly StepStatus[];
  readonly failure?: FailureStatus | undefined;
  readonly callers: readonly CallerStatus[];
}

export interface PodStatus {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
  /** The name of its role; absent while it has none. */
  readonly role?: string | undefined;
  readonly roleArn?: string | undefined;
  readonly state: RoleState | "none";
  readonly held?: HeldStatus | undefined;
  readonly failure?: FailureStatus | undefined;
}

export interface RecentLine {
  readonly at: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

export interface StatusReport {
  readonly version: string;
  readonly node: string;
  readonly host: string;
  readonly time: string;
  readonly startedAt: string;
  readonly ready: boolean;
  /** Whatever is not right, a line each; empty when all is well. */
  readonly problems: readonly string[];
  readonly configuration: {
    readonly takenOverAt: string;
    /** A newer one that was not taken over. */
    readonly refused?: { readonly at: string; readonly reason: string } | undefined;
  };
  readonly clockSkewSeconds: number;
  readonly sts: {
    readonly calls: number;
    readonly failedCalls: number;
    /** Credentials handed out without a call of their own. */
    readonly savedCalls: number;
  };
  readonly listeners: readonly {
    readonly url: string;
    readonly kind: "role" | "roles" | "pods";
    readonly roles: readonly string[];
    readonly up: boolean;
  }[];
  readonly roles: readonly RoleStatus[];
  /** Where a listener is for pods. */
  readonly pods?:
    | {
        readonly known: boolean;
        /** When the API server last said anything of them. */
        readonly contactAt?: string | undefined;
        readonly pods: readonly PodStatus[];
      }
    | undefined;
  /** The last lines of the log, newest first. */
  readonly recent: readonly RecentLine[];
}
