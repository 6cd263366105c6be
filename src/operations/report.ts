/** @module The status of a daemon out of what it lets be seen: pure, but for the view that it reads. */
import { messageOf } from "../errors.ts";
import { chainOf, outlineOf, roleStateOf, sourceStatus } from "./chain.ts";
import type { HandOut } from "./hand-outs.ts";
import { unready } from "./readiness.ts";
import type { Obtained } from "./readiness.ts";
import type { CallerStatus, PodStatus, RecentLine, RoleStatus, StatusReport } from "./status.ts";
import type { DaemonView, PodsView } from "./view.ts";
import { duration } from "./words.ts";

/** How long the API server may say nothing: its watch says something every minute. */
const QUIET_MS = 120_000;

/** Besides the view: what was noted while it ran. */
export interface Notes {
  readonly version: string;
  readonly node: string;
  readonly hostname: string;
  readonly startedMs: number;
  readonly obtained: Obtained;
  readonly reload: ReloadNotes;
  readonly clockSkewMs: number;
  readonly stsCalls: number;
  readonly stsFailures: number;
  readonly saved: { readonly memory: number; readonly shared: number };
  readonly handOuts: readonly HandOut[];
  readonly recent: readonly RecentLine[];
}

export interface ReloadNotes {
  readonly takenOverMs: number;
  /** Since then one was refused. */
  readonly refused: { readonly atMs: number; readonly error: unknown } | undefined;
}

export function reportOf(view: DaemonView, notes: Notes, nowMs: number): StatusReport {
  const listeners = view.listeners();
  const pods = view.pods();
  const callers = callersOf(notes.handOuts, pods);
  const roles = [...view.config().roles.keys()].map((name) =>
    roleStatus(name, { view, notes, nowMs, callers: callers.get(name) ?? [] }),
  );
  const podList = pods?.pods.map((pod) => podStatus(pod, view, nowMs)) ?? [];
  const reasons = unready(view, notes.obtained, true);
  const { reload, saved } = notes;
  return {
    version: notes.version,
    node: notes.node,
    host: notes.hostname,
    time: new Date(nowMs).toISOString(),
    startedAt: new Date(notes.startedMs).toISOString(),
    ready: reasons.length === 0,
    problems: [
      ...reasons,
      ...roleProblems(roles),
      ...podProblems(podList, pods, nowMs),
      ...reloadProblems(reload),
    ],
    configuration: {
      takenOverAt: new Date(reload.takenOverMs).toISOString(),
      ...(reload.refused === undefined ? {} : { refused: refusedStatus(reload.refused) }),
    },
    clockSkewSeconds: Math.round(notes.clockSkewMs / 1000),
    sts: {
      calls: notes.stsCalls,
      failedCalls: notes.stsFailures,
      savedCalls: saved.memory + saved.shared,
    },
    listeners: listeners.map(({ url, kind, roles: names, isUp }) => ({
      url,
      kind,
      roles: names,
      up: isUp,
    })),
    roles,
    ...(pods === undefined ? {} : { pods: podsStatus(pods, podList) }),
    recent: notes.recent,
  };
}

interface RoleContext {
  readonly view: DaemonView;
  readonly notes: Notes;
  readonly nowMs: number;
  readonly callers: readonly CallerStatus[];
}

function roleStatus(name: string, { view, notes, nowMs, callers }: RoleContext): RoleStatus {
  const session = view.sessionOf(name);
  const role = view.config().roles.get(name);
  const servedAt = view
    .listeners()
    .filter(({ roles }) => roles.includes(name))
    .map(({ url, kind }) => (kind === "roles" ? `${url}/roles/${name}` : url));
  if (servedAt.length === 0) {
    const isOfPods = view.pods() !== undefined && role?.namesBase !== true;
    const chain = outlineOf(session, isOfPods);
    return { name, arn: session.roleArn, state: "idle", ready: false, servedAt, chain, callers };
  }
  const state = view.stateOf(session);
  const wasObtained = notes.obtained(session);
  const { failure } = sourceStatus(state, nowMs);
  return {
    name,
    arn: session.roleArn,
    state: roleStateOf(state, wasObtained),
    ready: wasObtained,
    servedAt,
    chain: chainOf(session, nowMs, view.stateOf),
    ...(failure === undefined ? {} : { failure }),
    callers,
  };
}

function podStatus(
  { role, ...who }: PodsView["pods"][number],
  view: DaemonView,
  nowMs: number,
): PodStatus {
  if (role === undefined) return { ...who, state: "none" };
  const state = view.stateOf(role.session);
  return {
    ...who,
    role: role.name,
    roleArn: role.session.roleArn,
    // Its session may have lapsed: it was obtained when the pod was bound.
    state: roleStateOf(state, state === undefined),
    ...sourceStatus(state, nowMs),
  };
}

function podsStatus({ isKnown, contactMs }: PodsView, pods: readonly PodStatus[]) {
  const contactAt = contactMs === undefined ? undefined : new Date(contactMs).toISOString();
  return { known: isKnown, contactAt, pods };
}

/** Who holds what of each role. A pod is told by its name. */
function callersOf(
  handOuts: readonly HandOut[],
  pods: PodsView | undefined,
): ReadonlyMap<string, CallerStatus[]> {
  const names = new Map(
    pods?.pods.map(({ uid, namespace, name }) => [`pod:${uid}`, `${namespace}/${name}`]),
  );
  const callers = new Map<string, CallerStatus[]>();
  for (const { roleName, caller, accessKeyId, atMs } of handOuts) {
    const since = new Date(atMs).toISOString();
    const one = { caller, pod: names.get(caller), accessKeyId, since };
    callers.set(roleName, [...(callers.get(roleName) ?? []), one]);
  }
  return callers;
}

function roleProblems(roles: readonly RoleStatus[]): string[] {
  return roles
    .filter(({ state, ready }) => state === "failing" || (state === "down" && ready))
    .map(({ name, state }) =>
      state === "failing"
        ? `role ${name} could not be renewed; what is held is still served`
        : `role ${name} is not served: there are no valid credentials`,
    );
}

function podProblems(
  pods: readonly PodStatus[],
  view: PodsView | undefined,
  nowMs: number,
): string[] {
  const failing = pods.filter(({ state }) => state === "down" || state === "failing").length;
  const quietMs = view?.contactMs === undefined ? 0 : nowMs - view.contactMs;
  return [
    ...(failing === 0 ? [] : [`${failing} of ${pods.length} pods could not be given credentials`]),
    ...(quietMs <= QUIET_MS
      ? []
      : [`the API server has said nothing of the pods for ${duration(quietMs / 1000)}`]),
  ];
}

function reloadProblems({ refused }: ReloadNotes): string[] {
  return refused === undefined
    ? []
    : ["a changed configuration was refused; the one before is in force"];
}

function refusedStatus({ atMs, error }: NonNullable<ReloadNotes["refused"]>) {
  return { at: new Date(atMs).toISOString(), reason: messageOf(error) };
}
