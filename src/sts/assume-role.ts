/** @module One hop: AssumeRole, with everything that STS can be told. */
import type { AssumeRoleCommandInput } from "@aws-sdk/client-sts";
import type { AssumeRole, RoleSession, SigningCredentials } from "../credentials/types.ts";
import { explainAssumption } from "./errors.ts";
import type { CallSts } from "./sts-client.ts";

/**
 * The longest session of a role that was assumed by a role: 1 hour. Asking for more is refused.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
 */
const MAX_CHAINED_SECONDS = 3_600;

/** The port {@link AssumeRole}, over HTTP. */
export function assumeRoleWith(callSts: CallSts): AssumeRole {
  return async (session, signer, { signal }) => {
    const input = inputOf(session, signer);
    try {
      return await callSts({
        region: session.region,
        signer,
        durationSeconds: input.DurationSeconds ?? MAX_CHAINED_SECONDS,
        send: (client, { AssumeRoleCommand }) =>
          client.send(new AssumeRoleCommand(input), { abortSignal: signal }),
      });
    } catch (error) {
      throw explainAssumption(error, session, signer);
    }
  };
}

function inputOf(session: RoleSession, signer: SigningCredentials): AssumeRoleCommandInput {
  const tags = Object.entries(session.sessionTags).map(([Key, Value]) => ({ Key, Value }));
  return {
    RoleArn: session.roleArn,
    RoleSessionName: session.sessionName,
    DurationSeconds: durationOf(session, signer),
    ...(session.externalId === undefined ? {} : { ExternalId: session.externalId }),
    ...(tags.length === 0 ? {} : { Tags: tags }),
    ...(session.transitiveTagKeys.length === 0
      ? {}
      : { TransitiveTagKeys: [...session.transitiveTagKeys] }),
    ...(session.sourceIdentity === undefined ? {} : { SourceIdentity: session.sourceIdentity }),
    ...(session.policyArns.length === 0
      ? {}
      : { PolicyArns: session.policyArns.map((arn) => ({ arn })) }),
    ...(session.policy === undefined ? {} : { Policy: session.policy }),
  };
}

/** A signer with a session token is itself a session: what it assumes is chained, and capped by AWS. */
function durationOf(session: RoleSession, signer: SigningCredentials): number {
  const isChained = session.source.kind === "role" || signer.sessionToken !== undefined;
  return isChained
    ? Math.min(session.durationSeconds, MAX_CHAINED_SECONDS)
    : session.durationSeconds;
}
