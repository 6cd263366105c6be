/** @module The cache of the core with AWS behind it, and the log and the metrics beside it. */
import type { Config } from "./config/types.ts";
import { CredentialCache } from "./credentials/cache.ts";
import type { Instant } from "./credentials/types.ts";
import type { Log } from "./log.ts";
import { auditCredentials, auditSkew } from "./operations/audit.ts";
import type { Metrics } from "./operations/metrics.ts";
import { assumeRoleWith } from "./sts/assume-role.ts";
import { loadBaseWith } from "./sts/base-credentials.ts";
import type { BaseOptions } from "./sts/base-credentials.ts";
import { createSts } from "./sts/sts-client.ts";

export interface CredentialServiceOptions {
  readonly config: Config;
  /** What base credentials are looked for in. */
  readonly environment: BaseOptions["environment"];
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createCredentialCache({
  config,
  environment,
  log,
  metrics,
}: CredentialServiceOptions): CredentialCache {
  const { endpoint, callsPerSecond, burst } = config.sts;
  const callSts = createSts({ endpoint, onSkew: auditSkew(log) });
  const audit = auditCredentials(log);
  return new CredentialCache({
    assumeRole: assumeRoleWith(callSts),
    loadBase: loadBaseWith({ callSts, environment }),
    now: (): Instant => ({ wallMs: Date.now(), monotonicMs: performance.now() }),
    random: Math.random,
    onEvent: (event) => {
      audit(event);
      metrics.credentials(event);
    },
    callsPerSecond,
    burst,
  });
}
