/** @module How the SDK's providers assume the roles of a profile: by the same calls as all others. */
import type {
  AssumeRoleCommandInput,
  AssumeRoleWithWebIdentityCommandInput,
} from "@aws-sdk/client-sts";
import { SigningCredentials } from "../credentials/types.ts";
import type { TemporaryCredentials } from "../credentials/types.ts";
import type { Identity } from "./process-credentials.ts";
import type { CallSts } from "./sts-client.ts";

/** STS's own default. */
const DEFAULT_SECONDS = 3_600;

/** The two functions that the SDK would otherwise make itself, with retries, and by an uncorrected clock. */
export function profileAssumers(callSts: CallSts, region: string, signal: AbortSignal) {
  return {
    roleAssumer: async (source: Identity, input: AssumeRoleCommandInput) =>
      identityOf(
        await callSts({
          region,
          signer: new SigningCredentials({ ...source, issuedAt: new Date() }),
          durationSeconds: input.DurationSeconds ?? DEFAULT_SECONDS,
          send: (client, { AssumeRoleCommand }) =>
            client.send(new AssumeRoleCommand(input), { abortSignal: signal }),
        }),
      ),
    roleAssumerWithWebIdentity: async (input: AssumeRoleWithWebIdentityCommandInput) =>
      identityOf(
        await callSts({
          region,
          durationSeconds: input.DurationSeconds ?? DEFAULT_SECONDS,
          send: (client, { AssumeRoleWithWebIdentityCommand }) =>
            client.send(new AssumeRoleWithWebIdentityCommand(input), { abortSignal: signal }),
        }),
      ),
  };
}

/** A plain object, as the SDK has them: it adds fields to it. */
function identityOf(credentials: TemporaryCredentials) {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = credentials;
  return { accessKeyId, secretAccessKey, sessionToken, expiration };
}
