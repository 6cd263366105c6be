/** @module What `check` tells of one pod: who it is, which rule gave or refused what, and how its role is reached. */
import type { Decision } from "./callers/associations.ts";
import { isLive } from "./callers/pod-index.ts";
import { podSessionOf } from "./callers/role-session.ts";
import type { RoleSession } from "./credentials/types.ts";
import type { Pod } from "./kubernetes/pod.ts";

export interface PodReport {
  readonly pod: Pick<Pod, "uid" | "namespace" | "name" | "serviceAccount" | "node" | "addresses">;
  /** Why it is not served whatever its role; undefined when it is. */
  readonly refused: string | undefined;
  /** Every rule that was looked at, in order. */
  readonly trail: readonly string[];
  /** What it gets; undefined when it gets nothing, and then `reason` says why. */
  readonly role:
    | {
        readonly name: string;
        readonly arn: string;
        readonly sessionName: string;
        /** Each step of the way: the identity at the start, then every role that is assumed. */
        readonly chain: readonly string[];
      }
    | undefined;
  readonly reason: string | undefined;
}

interface Names {
  readonly hostname: string;
  readonly node: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

export function reportOn(pod: Pod, decision: Decision, names: Names): PodReport {
  const { uid, namespace, name, serviceAccount, node, addresses, trail } = { ...pod, ...decision };
  const who = { uid, namespace, name, serviceAccount, node, addresses };
  const refused = refusalOf(pod, names.nowMs);
  if (decision.role === undefined) {
    return { pod: who, refused, trail, role: undefined, reason: decision.reason };
  }
  const identity = { kind: "pod", uid, namespace, serviceAccount, name } as const;
  const session = podSessionOf(decision.role, identity, {
    hostname: names.hostname,
    node: names.node,
  });
  const { arn, name: roleName } = decision.role;
  const role = { name: roleName, arn, sessionName: session.sessionName, chain: chainOf(session) };
  return { pod: who, refused, trail, role, reason: undefined };
}

/** For a terminal. */
export function linesOf({ pod, refused, trail, role, reason }: PodReport): string[] {
  const { namespace, name, uid, node, serviceAccount, addresses } = pod;
  return [
    `pod ${namespace}/${name}`,
    `  UID              ${uid}`,
    `  node             ${node}`,
    `  service account  ${serviceAccount}`,
    `  addresses        ${addresses.join(", ") || "none yet"}`,
    "rules",
    ...trail.map((line) => `  ${line}`),
    ...(role === undefined
      ? [`role: none (${reason ?? ""})`]
      : [
          `role ${role.name}`,
          `  ARN              ${role.arn}`,
          `  session name     ${role.sessionName}`,
          ...role.chain.map((step, index) => `  ${index === 0 ? "from  " : "assumes"} ${step}`),
        ]),
    ...(refused === undefined ? [] : [`not served: ${refused}`]),
  ];
}

function refusalOf(pod: Pod, nowMs: number): string | undefined {
  if (pod.hostNetwork) return "it has hostNetwork: it cannot be told from others on the node";
  if (pod.finished) return "it has finished";
  if (!isLive(pod, nowMs)) return "its grace is over";
  return undefined;
}

function chainOf(session: RoleSession): string[] {
  const steps: string[] = [];
  let source: RoleSession["source"] = session;
  for (; source.kind === "role"; source = source.source) steps.unshift(source.roleArn);
  const start =
    source.kind === "pod"
      ? `the pod's own token, ${source.namespace}/${source.serviceAccount}`
      : `base "${source.name}" of the daemon (${source.provider.kind})`;
  return [start, ...steps];
}
