/** @module A session as the chain that leads to it: what it starts with, each role on the way, the role itself. */
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type {
  BaseCredentials,
  CredentialSource,
  PodIdentity,
  RoleSession,
  SourceState,
} from "../credentials/types.ts";
import { CrossroleError, messageOf } from "../errors.ts";
import type { FailureStatus, HeldStatus, RoleState, StepStatus } from "./status.ts";

type StateOf = (source: CredentialSource) => SourceState | undefined;

/** Each step, the first one first. Pods have sessions of their own: without `stateOf` nothing is said of any. */
export function chainOf(session: RoleSession, nowMs: number, stateOf: StateOf): StepStatus[] {
  const steps: StepStatus[] = [];
  let source: RoleSession["source"] = session;
  for (; source.kind === "role"; source = source.source) {
    steps.unshift({ ...roleStep(source), ...sourceStatus(stateOf(source), nowMs) });
  }
  const start =
    source.kind === "pod"
      ? podStep(source)
      : { ...baseStep(source), ...sourceStatus(stateOf(source), nowMs) };
  return [start, ...steps];
}

/**
 * The same of a role that no listener has by name: which sessions it has is decided when pods ask, and
 * theirs begin with their own tokens.
 */
export function outlineOf(session: RoleSession, isOfPods: boolean): StepStatus[] {
  const steps = chainOf(session, 0, () => undefined).map(
    ({ kind, name, detail, account, hasExternalId }): StepStatus => {
      return { kind, name, detail, account, hasExternalId };
    },
  );
  return isOfPods ? [ANY_POD, ...steps.slice(1)] : steps;
}

const ANY_POD: StepStatus = {
  kind: "pod",
  name: "service account",
  detail: "each pod's own token",
  hasExternalId: false,
};

/** The state of a session in one word. `wasObtained`: once, by this daemon. */
export function roleStateOf(state: SourceState | undefined, wasObtained: boolean): RoleState {
  if (state?.held !== undefined) return state.failure === undefined ? "ok" : "failing";
  if (state?.failure !== undefined) return "down";
  return state === undefined && wasObtained ? "idle" : "pending";
}

/** What is held and how the last attempt failed, with no secret. */
export function sourceStatus(
  state: SourceState | undefined,
  nowMs: number,
): { readonly held?: HeldStatus; readonly failure?: FailureStatus } {
  return {
    ...(state?.held === undefined ? {} : { held: heldStatus(state.held, nowMs) }),
    ...(state?.failure === undefined ? {} : { failure: failureStatus(state.failure, nowMs) }),
  };
}

function heldStatus(held: NonNullable<SourceState["held"]>, nowMs: number): HeldStatus {
  const { accessKeyId, requestId, expiration } = held.credentials;
  const endsAt =
    expiration === undefined
      ? {}
      : {
          expiration: expiration.toISOString(),
          remainingSeconds: Math.floor(held.remainingMs / 1000),
          lifeSeconds: Math.round(held.lifeMs / 1000),
        };
  return {
    accessKeyId,
    stsRequestId: requestId,
    obtainedAt: new Date(nowMs - held.ageMs).toISOString(),
    ...endsAt,
    renewsInSeconds: Math.round(held.untilRenewalMs / 1000),
  };
}

function failureStatus(
  { error, agoMs, retryInMs }: NonNullable<SourceState["failure"]>,
  nowMs: number,
): FailureStatus {
  return {
    code: error instanceof CrossroleError ? error.code : "ERR_UNKNOWN",
    message: messageOf(error),
    at: new Date(nowMs - agoMs).toISOString(),
    retryInSeconds: Math.ceil(retryInMs / 1000),
  };
}

function roleStep({ roleArn, sessionName, externalId }: RoleSession): StepStatus {
  const { roleName, accountId } = checkedRoleArn(roleArn);
  return {
    kind: "role",
    name: roleName,
    detail: roleArn,
    account: accountId,
    sessionName,
    hasExternalId: externalId !== undefined,
  };
}

function podStep({ namespace, serviceAccount }: PodIdentity): StepStatus {
  const name = `${namespace}/${serviceAccount}`;
  return { kind: "pod", name, detail: "the pod's own token", hasExternalId: false };
}

/** Of a base that runs a command not even the command: it may hold a secret. */
function baseStep({ name, provider }: BaseCredentials): StepStatus {
  const step = { kind: "base", name, hasExternalId: false } as const;
  switch (provider.kind) {
    case "profile":
      return { ...step, detail: `profile ${provider.profile}` };
    case "webIdentity": {
      const { accountId: account } = checkedRoleArn(provider.roleArn);
      return { ...step, detail: `web identity, ${provider.roleArn}`, account };
    }
    case "default":
      return { ...step, detail: "the SDK's default chain" };
    case "environment":
      return { ...step, detail: "environment variables" };
    case "container":
      return { ...step, detail: "container credentials" };
    case "instance":
      return { ...step, detail: "instance profile" };
    case "process":
      return { ...step, detail: "a credential process" };
  }
}
