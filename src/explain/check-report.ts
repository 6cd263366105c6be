/** @module What `crossrole check --json` prints. Fields are added, never renamed or given another meaning. */
import type { BaseProvider } from "../credentials/types.ts";
import type { CrossroleErrorCode } from "../errors.ts";
import type { Denial } from "./denial.ts";
import type { Finding } from "./finding.ts";

export interface CheckReport {
  /** Whether everything that was looked at works; warnings do not matter. The exit code is 0 then, else 1. */
  readonly ok: boolean;
  /** Whether the roles were assumed, or only what signs the first call was asked for. */
  readonly assumed: boolean;
  /** What signs the first call of each chain, in the order of the roles. */
  readonly bases: readonly BaseReport[];
  readonly roles: readonly RoleReport[];
  readonly findings: readonly Finding[];
}

export interface BaseReport {
  /** The name under `bases`, or `default`. */
  readonly name: string;
  readonly provider: BaseProvider["kind"];
  /** Where the credentials were found, in words. */
  readonly source?: string | undefined;
  readonly accessKeyId?: string;
  /** Whose they are: the ARN that GetCallerIdentity tells. */
  readonly identity?: string;
  /** Twelve digits. */
  readonly account?: string;
  /** ISO 8601; absent for keys that do not expire, or whose source does not say when. */
  readonly expiration?: string;
  readonly remainingSeconds?: number;
  readonly failure?: Failure;
}

export interface RoleReport {
  readonly name: string;
  readonly arn: string;
  /** The name of its base; absent for a role that pods get by their own identity. */
  readonly base?: string;
  /**
   * `ok`, `failed`; `unasked` without `--assume`; `pods` for a role that is assumed with a pod's own
   * token, which only `--pod` and the daemon have.
   */
  readonly state: "ok" | "failed" | "unasked" | "pods";
  /** Every role that is assumed, in order: the hops, then the role. */
  readonly steps: readonly StepReport[];
}

export interface StepReport {
  readonly roleArn: string;
  readonly sessionName: string;
  /** Seconds that are asked for. */
  readonly durationSeconds: number;
  /** `unreached`: what signs it failed. */
  readonly state: "assumed" | "failed" | "unreached" | "unasked" | "pods";
  readonly accessKeyId?: string;
  /** ISO 8601. */
  readonly expiration?: string;
  readonly remainingSeconds?: number;
  /** How much of what AWS allows session policies and tags take together, in percent. */
  readonly packedPolicySize?: number;
  readonly failure?: Failure;
}

export interface Failure {
  readonly code: CrossroleErrorCode;
  /** One line: what failed, and what to do. */
  readonly message: string;
  /** When IAM refused: who, on which side, and the statement to add. */
  readonly denial?: Denial;
}
