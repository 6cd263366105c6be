/** @module When IAM says no: who was refused by which side, and the statement that would let it pass. Pure. */
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { RoleSession } from "../credentials/types.ts";
import { claimsOf } from "../sts/federated-trust.ts";
import { principalOf } from "./principal.ts";
import {
  actionsOf,
  federatedStatement,
  permissionStatement,
  trustStatement,
} from "./statements.ts";
import type { Statement } from "./statements.ts";

/** A statement that is missing, and where. */
export interface MissingStatement {
  /** `trust`: into the trust policy of the role `attachTo`. `permission`: into a policy of the identity `attachTo`. */
  readonly side: "trust" | "permission";
  /** Twelve digits. */
  readonly account: string;
  /** An ARN. */
  readonly attachTo: string;
  readonly statement: Statement;
}

/** Which side said no, as far as AWS tells. */
export interface Denial {
  /** Who was refused, as a policy names it; undefined when nobody knows. */
  readonly principal: string | undefined;
  /**
   * `either`: AWS says the same for both sides, and for a role that does not exist. `deny`: an explicit
   * deny, which no statement outweighs. `other`: no policy of the two, such as a boundary, an
   * organization's policy or a limit; the message says which.
   */
  readonly refusedBy: "trust" | "permission" | "either" | "deny" | "other";
  /** What to add: one statement for the side that refused, or one for each. Empty where none would do. */
  readonly statements: readonly MissingStatement[];
}

/** AWS's words of a refusal: the cause that an error of the STS edge carries. */
export interface AwsWords {
  readonly name: string;
  readonly message: string;
}

/**
 * The refusal of an AssumeRole.
 *
 * @param signer the ARN of who signed, when it is known from elsewhere than AWS's words
 */
export function denialOf(
  session: RoleSession,
  words: AwsWords,
  signer: string | undefined,
): Denial {
  const principal = principalIn(words.message, session) ?? signer;
  const refusedBy = sideOf(words);
  const isSide = (side: MissingStatement["side"]) => refusedBy === side || refusedBy === "either";
  return {
    principal,
    refusedBy,
    statements: [
      ...(isSide("trust") && principal !== undefined ? [trustOf(session, principal)] : []),
      ...(isSide("permission") && principal !== undefined ? permissionOf(session, principal) : []),
    ],
  };
}

/** The refusal of an AssumeRoleWithWebIdentity, which only the role's own trust policy decides. */
export function tokenDenialOf(roleArn: string, token: string): Denial {
  const { issuer, audience, subject } = claimsOf(token);
  if (issuer === undefined || audience === undefined || subject === undefined) {
    return { principal: undefined, refusedBy: "trust", statements: [] };
  }
  const statement = federatedStatement(roleArn, { issuer, audience, subjects: [subject] });
  const { accountId: account } = checkedRoleArn(roleArn);
  const missing = { side: "trust", account, attachTo: roleArn, statement } as const;
  return { principal: subject, refusedBy: "trust", statements: [missing] };
}

function trustOf(session: RoleSession, principal: string): MissingStatement {
  const { externalId, roleArn } = session;
  const { accountId: account } = checkedRoleArn(roleArn);
  const statement = trustStatement(principal, { actions: actionsOf(session), externalId });
  return { side: "trust", account, attachTo: roleArn, statement };
}

function permissionOf(session: RoleSession, principal: string): MissingStatement[] {
  const known = principalOf(principal);
  if (known === undefined) return [];
  const statement = permissionStatement([session.roleArn], actionsOf(session));
  return [{ side: "permission", account: known.accountId, attachTo: principal, statement }];
}

function sideOf({ name, message }: AwsWords): Denial["refusedBy"] {
  if (/\bexplicit deny\b/i.test(message)) return "deny";
  if (/\bno identity-based policy allows\b/i.test(message)) return "permission";
  if (/\bno resource-based policy allows\b/i.test(message)) return "trust";
  if (/\bno [\w -]+ polic\w+ allows|\bno [\w -]+ boundary allows/i.test(message)) return "other";
  if (/assumed by root accounts/.test(message)) return "other";
  return /^AccessDenied|^NotAuthorized/.test(name) ? "either" : "other";
}

/** The principal that AWS names. The hop before has a path that AWS does not tell. */
function principalIn(message: string, { source }: RoleSession): string | undefined {
  const said = /\b(?:User|Role): (arn:[\w-]+:(?:iam|sts)::\d{12}:\S+)/.exec(message)?.[1];
  const arn = principalOf(said ?? "")?.arn;
  if (source.kind !== "role") return arn;
  return arn === undefined || arn === withoutPath(source.roleArn) ? source.roleArn : arn;
}

function withoutPath(roleArn: string): string {
  return roleArn.replace(/:role\/.*\//, ":role/");
}
