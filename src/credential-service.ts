/** @module The cache of the core with AWS behind it, and the log and the metrics beside it. */
import type { Config } from "./config/types.ts";
import { CredentialCache } from "./credentials/cache.ts";
import { CrossroleError } from "./errors.ts";
import type { CredentialEvent, IdentityToken, Instant } from "./credentials/types.ts";
import type { Log } from "./log.ts";
import { auditCredentials, auditSkew } from "./operations/audit.ts";
import type { Metrics } from "./operations/metrics.ts";
import { assumeRoleWith } from "./sts/assume-role.ts";
import { loadBaseWith } from "./sts/base-credentials.ts";
import type { BaseOptions } from "./sts/base-credentials.ts";
import { createSts } from "./sts/sts-client.ts";
import { assumeRoleOfPodWith } from "./sts/web-identity.ts";

export interface CredentialServiceOptions {
  readonly config: Config;
  /** What base credentials are looked for in. */
  readonly environment: BaseOptions["environment"];
  readonly log: Log;
  readonly metrics: Metrics;
  /** Makes the tokens of pods. Default: there are none. */
  readonly identityToken?: IdentityToken | undefined;
  /** Told of every event besides log and metrics. */
  readonly onEvent?: ((event: CredentialEvent) => void) | undefined;
}

export function createCredentialCache({
  config,
  environment,
  log,
  metrics,
  identityToken = withoutPods,
  onEvent,
}: CredentialServiceOptions): CredentialCache {
  const { endpoint, callsPerSecond, burst } = config.sts;
  const callSts = createSts({ endpoint, onSkew: auditSkew(log) });
  const audit = auditCredentials(log);
  return new CredentialCache({
    assumeRole: assumeRoleWith(callSts),
    assumeRoleOfPod: assumeRoleOfPodWith(callSts, identityToken),
    loadBase: loadBaseWith({ callSts, environment }),
    now: (): Instant => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
    random: Math.random,
    onEvent: (event) => {
      audit(event);
      metrics.credentials(event);
      onEvent?.(event);
    },
    callsPerSecond,
    burst,
  });
}

function withoutPods(): Promise<never> {
  const message = "no listener is for pods, so there is no token of theirs";
  return Promise.reject(new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message));
}
