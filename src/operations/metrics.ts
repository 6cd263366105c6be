/** @module What is counted, for Prometheus. Labels are names and codes, never a secret. */
import { podOfSource } from "../credentials/types.ts";
import type { CredentialEvent, CredentialSource } from "../credentials/types.ts";
import { CrossroleError } from "../errors.ts";
import { podGauges } from "./pod-gauges.ts";
import type { PodsSeen } from "./pod-gauges.ts";

/** What the daemon counts. Each is called where the thing happens. */
export interface Metrics {
  /** A request that was not served, by the code of the reason. */
  readonly refused: (listener: string, error: unknown) => void;
  /** A request that was served without a metadata token, because its role opted in. */
  readonly imdsV1: (roleName: string) => void;
  readonly credentials: (event: CredentialEvent) => void;
  readonly reloaded: (ok: boolean) => void;
  /** From now on `read` tells of the pods that are known, at each exposition. */
  readonly observePods: (read: () => PodsSeen) => void;
  /** The text that Prometheus reads. */
  readonly exposition: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

/** For a daemon without an `operations` address: nobody asks. */
export const NO_METRICS: Metrics = {
  refused: ignore,
  imdsV1: ignore,
  credentials: ignore,
  reloaded: ignore,
  observePods: ignore,
  exposition: () => Promise.resolve({ contentType: "text/plain", body: "" }),
};

/**
 * Metrics in a registry of their own. The library is loaded here and now: a daemon without an
 * `operations` address does without it.
 *
 * @see https://prometheus.io/docs/practices/naming/
 */
export async function createMetrics(): Promise<Metrics> {
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  const registers = [registry];
  const refused = new Counter({
    name: "crossrole_requests_refused_total",
    help: "Requests that were not served, by listener and reason",
    labelNames: ["listener", "code"],
    registers,
  });
  const imdsV1 = new Counter({
    name: "crossrole_imdsv1_requests_total",
    help: "Requests that were served without a metadata token",
    labelNames: ["role"],
    registers,
  });
  const attempts = new Counter({
    name: "crossrole_credential_attempts_total",
    help: "Attempts to obtain or renew credentials, by what they were for and how they ended",
    labelNames: ["source", "outcome"],
    registers,
  });
  const expiration = new Gauge({
    name: "crossrole_credentials_expiration_timestamp_seconds",
    help: "When the credentials that are held expire",
    labelNames: ["source"],
    registers,
  });
  const reloads = new Counter({
    name: "crossrole_config_reloads_total",
    help: "Attempts to take over a changed configuration",
    labelNames: ["outcome"],
    registers,
  });
  return {
    observePods: podGauges(Gauge, registers),
    refused: (listener, error) => refused.inc({ listener, code: codeOf(error) }),
    imdsV1: (role) => imdsV1.inc({ role }),
    reloaded: (ok) => reloads.inc({ outcome: ok ? "ok" : "refused" }),
    credentials: (event) => {
      const source = nameOf(event.source);
      if (event.type === "lapsed" || event.type === "dropped") expiration.remove({ source });
      if (event.type === "failed") attempts.inc({ source, outcome: codeOf(event.error) });
      if (event.type !== "obtained") return;
      attempts.inc({ source, outcome: "ok" });
      const end = event.credentials.expiration;
      // Every pod has a session of the role for itself: one figure would be whose?
      if (end !== undefined && podOfSource(event.source) === undefined)
        expiration.set({ source }, end.getTime() / 1000);
    },
    exposition: async () => ({
      contentType: registry.contentType,
      body: await registry.metrics(),
    }),
  };
}

function codeOf(error: unknown): string {
  return error instanceof CrossroleError ? error.code : "ERR_UNKNOWN";
}

function nameOf(source: CredentialSource): string {
  return source.kind === "role" ? source.roleArn : `base/${source.name}`;
}

function ignore(): void {
  // Counted nowhere.
}
