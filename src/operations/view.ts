/** @module What the daemon lets be seen of itself, as functions that read it and change nothing. */
import type { Config } from "../config/types.ts";
import type { CredentialSource, RoleSession, SourceState } from "../credentials/types.ts";

export interface ListenerView {
  /** What it is known by in logs and metrics. */
  readonly key: string;
  readonly url: string;
  readonly kind: "role" | "roles" | "pods";
  readonly roles: readonly string[];
  readonly isUp: boolean;
}

interface PodView {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** Undefined while it has no role. */
  readonly role: { readonly name: string; readonly session: RoleSession } | undefined;
}

export interface PodsView {
  readonly isKnown: boolean;
  readonly contactMs: number | undefined;
  readonly pods: readonly PodView[];
}

export interface DaemonView {
  readonly config: () => Config;
  /** How a role of the configuration is reached by those who are no pods. */
  readonly sessionOf: (roleName: string) => RoleSession;
  readonly stateOf: (source: CredentialSource) => SourceState | undefined;
  /** How many sessions and bases are in memory. */
  readonly sessionCount: () => number;
  readonly listeners: () => readonly ListenerView[];
  /** Undefined while no listener is for pods. */
  readonly pods: () => PodsView | undefined;
}
