/** @module What makes two role sessions the same one: every input of the assumption, and nothing less. */
import type {
  BaseCredentials,
  BaseProvider,
  CredentialSource,
  PodIdentity,
  RoleSession,
} from "./types.ts";

const keys = new WeakMap<CredentialSource | PodIdentity, string>();

/**
 * The cache key of a session or a base: a canonical text of all of its inputs, its source's
 * included. Two sessions share credentials if and only if their keys are equal, so a caller with the
 * wrong external id can never be given what the right one obtained.
 *
 * It is a text and not a digest: nothing collides. It holds external ids; it is never logged.
 */
export function sessionKey(source: CredentialSource | PodIdentity): string {
  const known = keys.get(source);
  if (known !== undefined) return known;
  const key = JSON.stringify(inputsOf(source));
  keys.set(source, key);
  return key;
}

function inputsOf(source: CredentialSource | PodIdentity): unknown {
  switch (source.kind) {
    case "base":
      return baseInputs(source);
    case "pod":
      return podInputs(source);
    case "role":
      return roleInputs(source);
  }
}

// The Record types below are the guard: a field added to a source does not compile until it is keyed.

function roleInputs(session: RoleSession): unknown {
  const inputs: Record<keyof RoleSession, unknown> = {
    kind: session.kind,
    source: sessionKey(session.source),
    roleArn: session.roleArn,
    sessionName: session.sessionName,
    durationSeconds: session.durationSeconds,
    region: session.region,
    externalId: session.externalId ?? null,
    sessionTags: Object.entries(session.sessionTags).toSorted(byKey),
    transitiveTagKeys: session.transitiveTagKeys.toSorted(),
    sourceIdentity: session.sourceIdentity ?? null,
    policyArns: session.policyArns.toSorted(),
    policy: session.policy ?? null,
  };
  return inputs;
}

function baseInputs(base: BaseCredentials): unknown {
  const inputs: Record<keyof BaseCredentials, unknown> = {
    kind: base.kind,
    name: base.name,
    provider: providerInputs(base.provider),
    region: base.region,
  };
  return inputs;
}

function podInputs(pod: PodIdentity): unknown {
  const inputs: Record<keyof PodIdentity, unknown> = {
    kind: pod.kind,
    uid: pod.uid,
    namespace: pod.namespace,
    serviceAccount: pod.serviceAccount,
    name: pod.name,
  };
  return inputs;
}

function providerInputs(provider: BaseProvider): unknown {
  return Object.entries(provider).toSorted(byKey);
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
