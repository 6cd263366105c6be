/** @module What was found besides what was asked for: one line each, with what to do. */

/** Something that will not work (`error`), will bite later (`warning`), or is good to know (`note`). */
export interface Finding {
  readonly level: "error" | "warning" | "note";
  /** One of a closed list, for programs: see {@link FindingCode}. */
  readonly code: FindingCode;
  /** Where it is: a path of the configuration, a base, or a role. */
  readonly where: string;
  readonly message: string;
}

/**
 * - `configuration`: a value that is not used as it was written
 * - `chained-duration`: more than an hour was asked for behind another role
 * - `shorter-than-asked`, `shorter-than-allowed`: the life of a session against what was asked for, or could be
 * - `no-external-id`: an account trusts another without asking for an external id
 * - `global-endpoint`: STS's one endpoint in us-east-1, which fails with that region
 * - `clock-skew`: more than 30 seconds to STS's clock
 * - `packed-policy-size`: more than three quarters of what AWS packs session policies and tags into
 * - `long-lived-key`: the key of a user, which nobody replaces by itself
 * - `unrenewed-session`: temporary credentials in variables, which nobody replaces at all
 * - `root-user`: the root user of an account, who may assume no role
 * - `unknown-identity`: STS did not say who a base is, and the base may work all the same
 * - `duplicate-role`: two names for the same session
 * - `unserved-role`: nobody is given the role
 */
type FindingCode =
  | "configuration"
  | "chained-duration"
  | "shorter-than-asked"
  | "shorter-than-allowed"
  | "no-external-id"
  | "global-endpoint"
  | "clock-skew"
  | "packed-policy-size"
  | "long-lived-key"
  | "unrenewed-session"
  | "root-user"
  | "unknown-identity"
  | "duplicate-role"
  | "unserved-role";
