/** @module AWS as `check` asks it: by the daemon's own calls, with what their answers show besides. */
import type {
  BaseCredentials,
  LoadBaseCredentials,
  RoleSession,
  SigningCredentials,
  TemporaryCredentials,
} from "../credentials/types.ts";
import { assumeRoleWith } from "../sts/assume-role.ts";
import { loadBaseWith } from "../sts/base-credentials.ts";
import { explainIdentity } from "../sts/errors.ts";
import { connectSts } from "../sts/sts-client.ts";
import type { CallSts } from "../sts/sts-client.ts";

type Patience = { readonly signal: AbortSignal };

/** The calls of a check. Each asks once, as the daemon does, and throws what the daemon would log. */
export interface Aws {
  readonly loadBase: LoadBaseCredentials;
  /** Where the credentials of `base` were found, once it was loaded. */
  readonly sourceOf: (base: BaseCredentials) => string | undefined;
  /** The ARN of whose credentials `signer` are. */
  readonly identify: (
    base: BaseCredentials,
    signer: SigningCredentials,
    options: Patience,
  ) => Promise<string>;
  readonly assume: (
    session: RoleSession,
    signer: SigningCredentials,
    options: Patience,
  ) => Promise<Assumed>;
  /** The largest distance that an answer has shown between this machine's clock and STS's, in milliseconds; positive when this one is behind. */
  readonly skewMs: () => number;
}

export interface Assumed {
  readonly credentials: TemporaryCredentials;
  /** In percent; undefined when the answer has none: nothing was packed. */
  readonly packedPolicySize: number | undefined;
}

export function connectAws(options: {
  readonly endpoint: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}): Aws {
  let skewMs = 0;
  const onSkew = (seenMs: number) => {
    if (Math.abs(seenMs) > Math.abs(skewMs)) skewMs = seenMs;
  };
  const { callSts, identifySigner } = connectSts({ endpoint: options.endpoint, onSkew });
  const sources = new Map<string, string>();
  const { environment } = options;
  return {
    loadBase: loadBaseWith({
      callSts,
      environment,
      onFound: ({ name }, source) => void sources.set(name, source),
    }),
    sourceOf: ({ name }) => sources.get(name),
    identify: async (base, signer, { signal }) => {
      try {
        const { arn, skewMs: seenMs } = await identifySigner({
          region: base.region,
          signer,
          signal,
        });
        onSkew(seenMs ?? 0);
        return arn;
      } catch (error) {
        throw explainIdentity(error, base, signer);
      }
    },
    assume: async (session, signer, patience) => {
      let packedPolicySize: number | undefined;
      const listening = hearing(callSts, (size) => (packedPolicySize = size));
      const credentials = await assumeRoleWith(listening)(session, signer, patience);
      return { credentials, packedPolicySize };
    },
    skewMs: () => skewMs,
  };
}

/** `callSts`, which also tells how large STS found what it packed. */
function hearing(callSts: CallSts, onPacked: (percent: number) => void): CallSts {
  return async (request) =>
    await callSts({
      ...request,
      send: async (client, sdk) => {
        const answer = await request.send(client, sdk);
        const size: unknown = Reflect.get(answer, "PackedPolicySize");
        if (typeof size === "number") onPacked(size);
        return answer;
      },
    });
}
