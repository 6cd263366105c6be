/** @module The first role of a chain by a token instead of a signature: AssumeRoleWithWebIdentity. */
import { readFile } from "node:fs/promises";
import { CrossroleError, messageOf } from "../errors.ts";
import type {
  AssumeRoleOfPod,
  BaseCredentials,
  BaseProvider,
  IdentityToken,
  TemporaryCredentials,
} from "../credentials/types.ts";
import { explainPodIdentity, explainWebIdentity } from "./errors.ts";
import type { CallSts } from "./sts-client.ts";

type WebIdentity = Extract<BaseProvider, { kind: "webIdentity" }>;

/** Loads a web-identity base (IRSA): the token file is read at each use, because the kubelet rotates it. */
export function assumeWithWebIdentity(
  callSts: CallSts,
): (
  base: BaseCredentials,
  provider: WebIdentity,
  options: { readonly signal: AbortSignal },
) => Promise<TemporaryCredentials> {
  return async (base, provider, { signal }) => {
    const token = await readToken(base, provider.tokenFile);
    try {
      return await ask(callSts, { ...provider, region: base.region, token, signal });
    } catch (error) {
      throw explainWebIdentity(error, base, provider, token);
    }
  };
}

/** The port {@link AssumeRoleOfPod}: a token of the pod's service account is made for each call. */
export function assumeRoleOfPodWith(
  callSts: CallSts,
  identityToken: IdentityToken,
): AssumeRoleOfPod {
  return async (session, pod, { signal }) => {
    const token = await identityToken(pod, { signal });
    try {
      return await ask(callSts, { ...session, token, signal });
    } catch (error) {
      throw explainPodIdentity(error, session, pod, token);
    }
  };
}

interface Assumption {
  readonly region: string;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly durationSeconds: number;
  readonly policyArns?: readonly string[];
  readonly policy?: string | undefined;
  readonly token: string;
  readonly signal: AbortSignal;
}

/**
 * Neither external id nor tags nor source identity: this action takes none.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 */
async function ask(callSts: CallSts, assumption: Assumption): Promise<TemporaryCredentials> {
  const { region, durationSeconds, policyArns = [], policy, signal } = assumption;
  return await callSts({
    region,
    durationSeconds,
    send: (client, { AssumeRoleWithWebIdentityCommand }) =>
      client.send(
        new AssumeRoleWithWebIdentityCommand({
          RoleArn: assumption.roleArn,
          RoleSessionName: assumption.sessionName,
          DurationSeconds: durationSeconds,
          WebIdentityToken: assumption.token,
          ...(policyArns.length === 0 ? {} : { PolicyArns: policyArns.map((arn) => ({ arn })) }),
          ...(policy === undefined ? {} : { Policy: policy }),
        }),
        { abortSignal: signal },
      ),
  });
}

async function readToken(base: BaseCredentials, tokenFile: string): Promise<string> {
  const token = await readFile(tokenFile, "utf8").catch((error: unknown) => {
    throw new CrossroleError(
      "ERR_BASE_UNAVAILABLE",
      `base "${base.name}": cannot read the web identity token file ${tokenFile} (${messageOf(error)})`,
      { cause: error },
    );
  });
  if (token.trim() !== "") return token.trim();
  const message = `base "${base.name}": the web identity token file ${tokenFile} is empty`;
  throw new CrossroleError("ERR_BASE_UNAVAILABLE", message);
}
