/** @module The statements of IAM policies that crossrole needs, as AWS spells them. */
import { parseRoleArn } from "../credentials/role-arn.ts";
import type { RoleSession } from "../credentials/types.ts";
import { principalOf } from "./principal.ts";

type Values = string | readonly string[];

/** @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_statement.html */
export interface Statement {
  readonly Effect: "Allow";
  readonly Principal?: Readonly<Record<string, Values>>;
  readonly Action: Values;
  readonly Resource?: Values;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, Values>>>>;
}

/** What one assumption asks of both sides. */
export interface Asked {
  /** `sts:AssumeRole`, and what else the call carries. */
  readonly actions: readonly string[];
  readonly externalId?: string | undefined;
  /** A pattern of `StringLike` that the session's name must fit. Default: any. */
  readonly sessionName?: string | undefined;
}

/** What IAM must allow besides sts:AssumeRole: session tags and a source identity are calls of their own. */
export function actionsOf(
  session: Pick<RoleSession, "sessionTags" | "sourceIdentity">,
): readonly string[] {
  return [
    "sts:AssumeRole",
    ...(Object.keys(session.sessionTags).length > 0 ? ["sts:TagSession"] : []),
    ...(session.sourceIdentity === undefined ? [] : ["sts:SetSourceIdentity"]),
  ];
}

/**
 * For the trust policy of the role that is assumed.
 *
 * @param principal the ARN of who signs, or words that stand for it until somebody puts it in
 */
export function trustStatement(principal: string, asked: Asked): Statement {
  const known = principalOf(principal);
  const isSso = known?.kind === "sso";
  const conditions = {
    ...(asked.externalId === undefined
      ? {}
      : { StringEquals: { "sts:ExternalId": asked.externalId } }),
    ...(asked.sessionName === undefined
      ? {}
      : { StringLike: { "sts:RoleSessionName": asked.sessionName } }),
    ...(isSso ? { ArnLike: { "aws:PrincipalArn": ssoPattern(known) } } : {}),
  };
  // Nobody may name a role that IAM Identity Center may make anew: its account is, and the ARN a condition.
  const named = isSso ? `arn:${known.partition}:iam::${known.accountId}:root` : principal;
  return {
    Effect: "Allow",
    Principal: { AWS: named },
    Action: single(asked.actions),
    ...(Object.keys(conditions).length === 0 ? {} : { Condition: conditions }),
  };
}

/** For a policy of who signs. */
export function permissionStatement(
  roleArns: readonly string[],
  actions: readonly string[],
): Statement {
  return { Effect: "Allow", Action: single(actions), Resource: single(roleArns) };
}

/** Tokens of an OpenID Connect provider, such as a cluster's. */
export interface FederatedTokens {
  /** Without `https://`. */
  readonly issuer: string;
  readonly audience: string;
  /** The `sub` of each; `*` and `?` as in IAM. */
  readonly subjects: readonly string[];
}

/**
 * For the trust policy of a role that is assumed with a token.
 *
 * @see https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
 */
export function federatedStatement(roleArn: string, tokens: FederatedTokens): Statement {
  const { issuer, audience, subjects } = tokens;
  const isPattern = subjects.some((subject) => /[*?]/.test(subject));
  const equals = { [`${issuer}:aud`]: audience };
  const subject = { [`${issuer}:sub`]: single(subjects) };
  return {
    Effect: "Allow",
    Principal: { Federated: providerArnOf(roleArn, issuer) },
    Action: "sts:AssumeRoleWithWebIdentity",
    Condition: isPattern
      ? { StringEquals: equals, StringLike: subject }
      : { StringEquals: { ...equals, ...subject } },
  };
}

/** The OpenID Connect provider in the account of `roleArn`. */
function providerArnOf(roleArn: string, issuer: string): string {
  const arn = parseRoleArn(roleArn);
  if (typeof arn === "string") throw new TypeError(`${roleArn} ${arn}`);
  return `arn:${arn.partition.name}:iam::${arn.accountId}:oidc-provider/${issuer}`;
}

/** With a region in its path, or without one. */
function ssoPattern(role: {
  readonly partition: string;
  readonly accountId: string;
  readonly name: string;
}): string {
  const { partition, accountId, name } = role;
  return `arn:${partition}:iam::${accountId}:role/aws-reserved/sso.amazonaws.com/*${name}`;
}

function single(values: readonly string[]): Values {
  const [only] = values;
  return values.length === 1 && only !== undefined ? only : values;
}
