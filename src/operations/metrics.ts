/** @module What is counted, for Prometheus. Labels are names and codes of closed lists, never a secret. */
import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import { podOfSource } from "../credentials/types.ts";
import type { CredentialEvent, CredentialSource } from "../credentials/types.ts";
import { CrossroleError } from "../errors.ts";
import { lagGauge } from "./event-loop-lag.ts";
import { podGauges } from "./pod-gauges.ts";
import type { PodsSeen } from "./pod-gauges.ts";
import { stateGauges } from "./state-gauges.ts";
import type { Observed } from "./state-gauges.ts";

/** One request to STS that was made, as it is counted. */
export interface CountedCall {
  readonly operation: string;
  readonly code: string;
  readonly elapsedMs: number;
}

/** What the daemon counts. Each is called where the thing happens. */
export interface Metrics {
  /** A request that was not served, by the code of the reason. */
  readonly refused: (listener: string, error: unknown) => void;
  /** A request that was served without a metadata token, because its role opted in. */
  readonly imdsV1: (roleName: string) => void;
  readonly credentials: (event: CredentialEvent) => void;
  readonly stsCall: (call: CountedCall) => void;
  readonly reloaded: (ok: boolean) => void;
  /** From now on `read` tells of the pods that are known, at each exposition. */
  readonly observePods: (read: () => PodsSeen) => void;
  /** From now on `read` tells of everything else that is not counted but is so, at each exposition. */
  readonly observe: (read: () => Observed) => void;
  /** The text that Prometheus reads. */
  readonly exposition: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Measures nothing any more. */
  readonly close: () => void;
}

/** For a daemon without an `operations` address: nobody asks. */
export const NO_METRICS: Metrics = {
  refused: ignore,
  imdsV1: ignore,
  credentials: ignore,
  stsCall: ignore,
  reloaded: ignore,
  observePods: ignore,
  observe: ignore,
  close: ignore,
  exposition: () => Promise.resolve({ contentType: "text/plain", body: "" }),
};

/** STS answers in a tenth of a second; whatever takes 10 s is given up. */
const STS_BUCKETS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What a source is called that the configuration does not name: an annotation can make up any number. */
const ANNOTATED = "annotation";

/**
 * Metrics in a registry of their own. The library is loaded here and now: a daemon without an
 * `operations` address does without it.
 *
 * @param isConfigured whether the configuration names a role's ARN
 * @see https://prometheus.io/docs/practices/naming/
 */
export async function createMetrics(
  isConfigured: (roleArn: string) => boolean = () => true,
): Promise<Metrics> {
  const library = await import("prom-client");
  const registry = new library.Registry();
  const registers = [registry];
  const { attempts, expiration, refused, ...counters } = instruments(library, registers);
  const close = lagGauge(library.Gauge, registers);
  const states = stateGauges(library, registers);
  return {
    close,
    observePods: podGauges(library.Gauge, registers),
    observe: states.observe,
    refused: (listener, error) => refused.inc({ listener, code: codeOf(error) }),
    imdsV1: (role) => counters.imdsV1.inc({ role }),
    stsCall: ({ operation, code, elapsedMs }) => {
      counters.stsCalls.inc({ operation, code });
      counters.stsSeconds.observe({ operation }, elapsedMs / 1000);
    },
    reloaded: (ok) => counters.reloads.inc({ outcome: ok ? "ok" : "refused" }),
    credentials: (event) => {
      const source = nameOf(event.source, isConfigured);
      if (event.type === "lapsed" || event.type === "dropped") expiration.remove({ source });
      if (event.type === "failed") attempts.inc({ source, outcome: codeOf(event.error) });
      if (event.type !== "obtained" && event.type !== "restored") return;
      if (event.type === "obtained") attempts.inc({ source, outcome: "ok" });
      const end = event.credentials.expiration;
      // Every pod has a session of the role for itself: one figure would be whose?
      if (end !== undefined && podOfSource(event.source) === undefined)
        expiration.set({ source }, end.getTime() / 1000);
    },
    exposition: async () => {
      states.read();
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

interface Library {
  readonly Counter: typeof Counter;
  readonly Gauge: typeof Gauge;
  readonly Histogram: typeof Histogram;
}

/** What is counted where it happens. */
function instruments(library: Library, registers: Registry[]) {
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new library.Counter({ name, help, labelNames, registers });
  return {
    refused: counter(
      "crossrole_requests_refused_total",
      "Requests that were not served, by listener and reason",
      "listener",
      "code",
    ),
    imdsV1: counter(
      "crossrole_imdsv1_requests_total",
      "Requests that were served without a metadata token",
      "role",
    ),
    attempts: counter(
      "crossrole_credential_attempts_total",
      "Attempts to obtain or renew credentials, by what they were for and how they ended",
      "source",
      "outcome",
    ),
    expiration: new library.Gauge({
      name: "crossrole_credentials_expiration_timestamp_seconds",
      help: "When the credentials that are held expire",
      labelNames: ["source"],
      registers,
    }),
    stsCalls: counter(
      "crossrole_sts_requests_total",
      "Requests to STS, by operation and AWS's name of how they ended",
      "operation",
      "code",
    ),
    stsSeconds: new library.Histogram({
      name: "crossrole_sts_request_duration_seconds",
      help: "How long STS took to answer, or not to",
      labelNames: ["operation"],
      buckets: STS_BUCKETS_SECONDS,
      registers,
    }),
    reloads: counter(
      "crossrole_config_reloads_total",
      "Attempts to take over a changed configuration",
      "outcome",
    ),
  };
}

function codeOf(error: unknown): string {
  return error instanceof CrossroleError ? error.code : "ERR_UNKNOWN";
}

function nameOf(source: CredentialSource, isConfigured: (roleArn: string) => boolean): string {
  if (source.kind === "base") return `base/${source.name}`;
  return isConfigured(source.roleArn) ? source.roleArn : ANNOTATED;
}

function ignore(): void {
  // Counted nowhere.
}
