/** @module The one place that speaks to STS: regional endpoint, clock skew, no retry of the SDK's own. */
import type * as Sdk from "@aws-sdk/client-sts";
import { CrossroleError } from "../errors.ts";
import { TemporaryCredentials } from "../credentials/types.ts";
import type { SigningCredentials } from "../credentials/types.ts";
import { timedCall } from "./call-outcome.ts";
import type { StsCall } from "./call-outcome.ts";
import { credibleSkewOf, skewOf } from "./clock-skew.ts";
import type { Exchange } from "./clock-skew.ts";
import { isClockError } from "./errors.ts";
import { stsClients } from "./clients.ts";
import { observed } from "./observe.ts";

interface Answer {
  readonly Credentials?: Sdk.Credentials | undefined;
  readonly $metadata?: { readonly requestId?: string | undefined } | undefined;
}

interface StsRequest<Said extends Answer = Answer> {
  readonly region: string;
  /** Absent for AssumeRoleWithWebIdentity, which is not signed. */
  readonly signer?: SigningCredentials;
  readonly durationSeconds: number;
  readonly send: (client: Sdk.STSClient, sdk: typeof Sdk) => Promise<Said>;
}

export interface StsOptions {
  /** Instead of the region's own endpoint: a VPC endpoint, or an STS for tests. */
  readonly endpoint?: string | undefined;
  /** Told when an answer proves another skew: milliseconds that the wall clock is behind STS's. */
  readonly onSkew: (skewMs: number) => void;
  /** Told of each request that was made, however it ended. */
  readonly onCall?: ((call: StsCall) => void) | undefined;
}

/**
 * Asks STS for credentials. Once, but for one case: an answer that shows this machine's clock to be
 * wrong is followed at once by a request that is dated right.
 */
export type CallSts = (request: StsRequest) => Promise<TemporaryCredentials>;

/** Who STS says the signer is, and what its answer shows of the clock. */
type IdentifySigner = (request: {
  readonly region: string;
  readonly signer: SigningCredentials;
  readonly signal: AbortSignal;
}) => Promise<{
  readonly arn: string;
  /** Milliseconds that the wall clock is behind STS's `Date`; undefined without a usable one. */
  readonly skewMs: number | undefined;
}>;

interface Sts {
  readonly callSts: CallSts;
  readonly identifySigner: IdentifySigner;
  /** Closes the connections that are kept for the next call. */
  readonly close: () => void;
}

/** The calls to STS, until their end. */
export function connectSts(options: StsOptions): Sts {
  const { ask, close } = askingSts(options);
  return {
    callSts: async (request) => {
      return await ask(request, ({ Credentials: issued, $metadata }, exchange, clock) => {
        const expiration = issued?.Expiration;
        if (expiration !== undefined) {
          const { durationSeconds } = request;
          clock.learn(credibleSkewOf(exchange, clock.skewMs, expiration, durationSeconds));
        }
        return toCredentials(issued, exchange, clock.skewMs, $metadata?.requestId);
      });
    },
    identifySigner: async ({ region, signer, signal }) => {
      const send = (client: Sdk.STSClient, { GetCallerIdentityCommand }: typeof Sdk) =>
        client.send(new GetCallerIdentityCommand({}), { abortSignal: signal });
      return await ask(
        { region, signer, durationSeconds: 0, send },
        ({ Arn: arn }, exchange, clock) => {
          if (arn !== undefined) return { arn, skewMs: skewOf(exchange, clock.skewMs) };
          const message = "STS answered GetCallerIdentity without an Arn";
          throw new CrossroleError("ERR_STS_MALFORMED", message);
        },
      );
    },
    close,
  };
}

/** What is made of an answer of STS, and of when it came. */
type ReadAnswer<Said, Result> = (said: Said, exchange: Exchange, clock: SkewedClock) => Result;

function askingSts(options: StsOptions) {
  const clock = new SkewedClock(options.onSkew);
  let clients: ReturnType<typeof load> | undefined;

  /** At the first call: it is most of the start-up. */
  const load = async () => {
    const sdk = await import("@aws-sdk/client-sts");
    return { sdk, ...stsClients(sdk, options.endpoint) };
  };

  const askOnce = async <Said extends Answer, Result>(
    { region, signer, send }: StsRequest<Said>,
    read: ReadAnswer<Said, Result>,
  ): Promise<Result> => {
    const { sdk, clientFor } = await (clients ??= load());
    const { skewMs } = clock;
    const client = clientFor({ region, skewMs, ...(signer === undefined ? {} : { signer }) });
    const tell = timedCall(options.onCall);
    const { seen, said } = observed(() => send(client, sdk));
    try {
      const result = read(await said, seen, clock);
      tell(seen.operation, undefined);
      return result;
    } catch (error) {
      tell(seen.operation, error);
      if (!isClockError(error)) throw error;
      clock.learn(skewOf(seen, clock.skewMs));
      // Another call, in flight at the same time, may have learned it before this one.
      throw clock.skewMs === skewMs ? error : new ClockCorrected(error);
    }
  };

  const ask = async <Said extends Answer, Result>(
    request: StsRequest<Said>,
    read: ReadAnswer<Said, Result>,
  ): Promise<Result> => {
    try {
      return await askOnce(request, read);
    } catch (error) {
      if (!(error instanceof ClockCorrected)) throw error;
      return await askOnce(request, read).catch((again: unknown) => {
        throw again instanceof ClockCorrected ? again.cause : again;
      });
    }
  };
  const close = () => {
    clients
      ?.then((loaded) => loaded.close())
      .catch(() => {
        // Never loaded: nothing was opened.
      });
  };
  return { ask, close };
}

/** How far this machine's wall clock is from STS's, as far as answers have proved it. */
class SkewedClock {
  readonly #onSkew: (skewMs: number) => void;
  #skewMs = 0;

  constructor(onSkew: (skewMs: number) => void) {
    this.#onSkew = onSkew;
  }

  /** Milliseconds that the wall clock is behind; negative when it is ahead. */
  get skewMs(): number {
    return this.#skewMs;
  }

  learn(measuredMs: number | undefined): void {
    if (measuredMs === undefined || measuredMs === this.#skewMs) return;
    this.#skewMs = measuredMs;
    this.#onSkew(measuredMs);
  }
}

/** STS refused a request for its date, and has shown the right one: the next will be dated by it. */
class ClockCorrected extends Error {
  constructor(cause: unknown) {
    super("the clock has been corrected", { cause });
  }
}

/** The credentials, with their expiration by this machine's clock: that is what every reader has. */
function toCredentials(
  issued: Sdk.Credentials | undefined,
  { sentMs }: Exchange,
  skewMs: number,
  requestId: string | undefined,
): TemporaryCredentials {
  if (issued?.Expiration === undefined) {
    throw new CrossroleError("ERR_STS_MALFORMED", "STS answered 200 without credentials");
  }
  return new TemporaryCredentials({
    accessKeyId: issued.AccessKeyId ?? "",
    secretAccessKey: issued.SecretAccessKey ?? "",
    sessionToken: issued.SessionToken ?? "",
    expiration: new Date(issued.Expiration.getTime() - skewMs),
    issuedAt: new Date(sentMs),
    requestId,
  });
}
