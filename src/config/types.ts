/** @module The configuration as the rest of the house sees it: checked, complete, and read only. */
import type { AuthorizationToken } from "../callers/types.ts";
import type { BaseCredentials } from "../credentials/types.ts";

/** A role that is assumed on the way to another. */
interface Hop {
  readonly arn: string;
  readonly externalId?: string | undefined;
}

/** One entry of `roles`: how a role is reached and what its session carries. */
export interface Role {
  /** The name that clients see: `[A-Za-z0-9._-]{2,64}`. */
  readonly name: string;
  readonly arn: string;
  readonly base: BaseCredentials;
  /** Whether the file names the base. A pod's own identity is the base of a role that names none. */
  readonly namesBase: boolean;
  readonly via: readonly Hop[];
  /** The region whose STS is asked. */
  readonly region: string;
  readonly externalId?: string | undefined;
  /** A template with `{hostname}`, `{role}`, and for pods their names; undefined for the default of either. */
  readonly sessionName: string | undefined;
  /** 1800 to 43200; 3600 at most behind another role. */
  readonly durationSeconds: number;
  readonly sessionTags: Readonly<Record<string, string>>;
  readonly transitiveTagKeys: readonly string[];
  readonly sourceIdentity?: string | undefined;
  readonly policyArns: readonly string[];
  /** An inline session policy, as JSON text. */
  readonly policy?: string | undefined;
  /** Whether it is served without a metadata token too. */
  readonly imdsV1: boolean;
  /** Without one it has no container credentials. */
  readonly authorizationToken?: AuthorizationToken | undefined;
}

export interface Address {
  /** An IP literal, without the brackets of IPv6, or `localhost`. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Whether another crossrole that says so too may answer there beside this one. Default: false. */
  readonly reusePort?: boolean | undefined;
}

/** An address that answers, and for whom. */
export type Listener = {
  readonly address: Address;
  /** Names besides the well-known ones that a `Host` header may have. */
  readonly hosts: readonly string[];
  /** Users besides the daemon's own, by name or uid; `"any"`: whoever reaches the address. */
  readonly allowUsers: "any" | readonly (string | number)[];
} & (
  | { readonly kind: "role"; readonly role: string }
  | { readonly kind: "roles"; readonly roles: readonly string[] }
  | { readonly kind: "pods" }
);

/** Pods of which service accounts get a role. The first one that fits decides. */
export interface Association {
  /** Anchored globs: `*` any characters, `?` one. */
  readonly namespace: string;
  readonly serviceAccount: string;
  /** A name under `roles`. */
  readonly role: string;
}

/** How a role is reached that an annotation names by its ARN alone. */
export interface AnnotatedRole {
  readonly base: BaseCredentials;
  readonly namesBase: boolean;
  readonly via: readonly Hop[];
  /** Undefined: the default of the role's partition. */
  readonly region: string | undefined;
}

/** Which annotations may choose a role, and which roles; what is absent is not looked at. */
export interface AnnotationRules {
  /** `crossrole.dev/role` on pods and service accounts: names or ARNs that fit one of these globs, ARNs only those that begin with `arn:`. */
  readonly crossrole?: (AnnotatedRole & { readonly roles: readonly string[] }) | undefined;
  /** `eks.amazonaws.com/role-arn` on service accounts: ARNs that fit one of these globs. */
  readonly irsa?: (AnnotatedRole & { readonly roles: readonly string[] }) | undefined;
  /** `iam.amazonaws.com/role` on pods, where their namespace permits it in the way of one of the two. */
  readonly legacy?: LegacyAnnotations | undefined;
}

export type LegacyAnnotations = AnnotatedRole & {
  readonly kind: "kube2iam" | "kiam";
  /** Put in front of a role's bare name. */
  readonly baseRoleArn?: string | undefined;
  /** kiam's old way: the namespace's pattern may fit anywhere in the ARN. */
  readonly unanchored: boolean;
};

/** Where the API server is, and what is shown to it. */
interface ApiServerSettings {
  readonly url: string;
  readonly caFile: string;
  readonly tokenFile: string;
}

export interface KubernetesSettings {
  /** The node whose pods are served; nobody can be when it is not known. */
  readonly node: string | undefined;
  /** As whom the API server is asked: as the own node, as itself, or as it is found out. */
  readonly access: "auto" | "impersonation" | "rbac";
  /** For whom pods' tokens are made. */
  readonly audience: string;
  /** Undefined: that of the pod the daemon runs in. */
  readonly apiServer?: ApiServerSettings | undefined;
  /** Whether what a pod is refused is said in an Event on it. */
  readonly events: boolean;
  readonly annotations: AnnotationRules;
}

export interface StsSettings {
  /** Instead of each region's own STS. */
  readonly endpoint?: string | undefined;
  /** Calls per second in the long run. */
  readonly callsPerSecond: number;
  /** Calls at once. */
  readonly burst: number;
}

export interface Config {
  /** What clients are told, when somebody said it. */
  readonly region?: string | undefined;
  readonly sts: StsSettings;
  readonly roles: ReadonlyMap<string, Role>;
  readonly listeners: readonly Listener[];
  readonly associations: readonly Association[];
  /** There when a listener is for pods. */
  readonly kubernetes?: KubernetesSettings | undefined;
  /** Where health and metrics are. */
  readonly operations?: Address | undefined;
  /** Where metadata-token keys and sessions survive a restart. */
  readonly stateDirectory?: string | undefined;
  /** What was changed or will not be as written, one line each. */
  readonly notices: readonly string[];
}
