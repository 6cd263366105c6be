/** @module The cache of the core with AWS behind it, and whoever watches beside it. */
import type { Config } from "./config/types.ts";
import { CredentialCache } from "./credentials/cache.ts";
import { CrossroleError } from "./errors.ts";
import type { CredentialEvent, IdentityToken, Instant } from "./credentials/types.ts";
import type { Observer } from "./operations/observer.ts";
import { assumeRoleWith } from "./sts/assume-role.ts";
import { loadBaseWith } from "./sts/base-credentials.ts";
import type { BaseOptions } from "./sts/base-credentials.ts";
import { connectSts } from "./sts/sts-client.ts";
import { assumeRoleOfPodWith } from "./sts/web-identity.ts";

export interface CredentialServiceOptions {
  readonly config: Config;
  /** What base credentials are looked for in. */
  readonly environment: BaseOptions["environment"];
  readonly observer: Observer;
  /** Makes the tokens of pods. Default: there are none. */
  readonly identityToken?: IdentityToken | undefined;
  /** Told of every event besides the observer. */
  readonly onEvent?: ((event: CredentialEvent) => void) | undefined;
}

export interface CredentialService {
  readonly cache: CredentialCache;
  /** Cancels every call and renewal, and closes the connections to STS. */
  readonly close: () => void;
}

export function createCredentialService({
  config,
  environment,
  observer,
  identityToken = withoutPods,
  onEvent,
}: CredentialServiceOptions): CredentialService {
  const { endpoint, callsPerSecond, burst } = config.sts;
  const { onSkew, onStsCall: onCall } = observer;
  const { callSts, close } = connectSts({ endpoint, onSkew, onCall });
  const cache = new CredentialCache({
    assumeRole: assumeRoleWith(callSts),
    assumeRoleOfPod: assumeRoleOfPodWith(callSts, identityToken),
    loadBase: loadBaseWith({ callSts, environment }),
    now: (): Instant => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
    random: Math.random,
    onEvent: (event) => {
      observer.onCredentials(event);
      onEvent?.(event);
    },
    callsPerSecond,
    burst,
  });
  return {
    cache,
    close: () => {
      cache.close();
      close();
    },
  };
}

function withoutPods(): Promise<never> {
  const message = "no listener is for pods, so there is no token of theirs";
  return Promise.reject(new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message));
}
