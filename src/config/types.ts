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
  readonly via: readonly Hop[];
  /** The region whose STS is asked. */
  readonly region: string;
  readonly externalId?: string | undefined;
  /** A template with `{hostname}`, `{role}`, and on a `pods` listener the pod's names. */
  readonly sessionName: string;
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
);

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
  /** Where health and metrics are. */
  readonly operations?: Address | undefined;
  /** Where the metadata-token key survives a restart. */
  readonly stateDirectory?: string | undefined;
  /** What was changed or will not be as written, one line each. */
  readonly notices: readonly string[];
}
