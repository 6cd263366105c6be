/** @module Which role a pod gets, and why: the configuration first, then the annotations it heeds. Pure. */
import type { AnnotationRules, Association, LegacyAnnotations, Role } from "../config/types.ts";
import { parseRoleArn } from "../credentials/role-arn.ts";
import type { Pod } from "../kubernetes/pod.ts";
import { annotatedRole, lostInFirstCall } from "./annotated-role.ts";
import { fitsGlob } from "./glob.ts";
import { fitsAny, fitsRole, permittedByKiam, permittedByList } from "./permitted.ts";

/** What the configuration says of pods. */
export interface RoleRules {
  readonly roles: ReadonlyMap<string, Role>;
  readonly associations: readonly Association[];
  readonly annotations: AnnotationRules;
}

/** The annotations of what a pod belongs to. */
export interface OwnerAnnotations {
  readonly serviceAccount: Readonly<Record<string, string>>;
  readonly namespace: Readonly<Record<string, string>>;
}

/** A role and the rule that gives it, or why there is none. `trail`: every rule that was looked at, in order. */
export type Decision =
  | { readonly role: Role; readonly rule: string; readonly trail: readonly string[] }
  | { readonly role: undefined; readonly reason: string; readonly trail: readonly string[] };

const OWN = "crossrole.dev/role";
const OWN_ALLOWED = "crossrole.dev/allowed-roles";
const IRSA = "eks.amazonaws.com/role-arn";
const LEGACY = "iam.amazonaws.com/role";
const LEGACY_ALLOWED = "iam.amazonaws.com/allowed-roles";
const LEGACY_PERMITTED = "iam.amazonaws.com/permitted";

/** The association that fits `pod`: the first one, as it is written. No annotation can change it. */
export function associationFor(pod: Pod, { associations, roles }: RoleRules): Decision | undefined {
  // A static pod has none, and so no identity: "*" must not make one of nothing.
  if (pod.serviceAccount === "") return undefined;
  const index = associations.findIndex((one) => fits(one, pod));
  const association = associations[index];
  const role = roles.get(association?.role ?? "");
  if (association === undefined || role === undefined) return undefined;
  const rule = `associations[${index}] (${association.namespace}, ${association.serviceAccount})`;
  const passed = associations.slice(0, index).map((_, at) => `associations[${at}] does not fit`);
  return { role, rule, trail: [...passed, `${rule} gives ${role.name}`] };
}

/** Whether anything but the associations can give a role. */
export function heedsAnnotations({ annotations }: RoleRules): boolean {
  const { crossrole, irsa, legacy } = annotations;
  return crossrole !== undefined || irsa !== undefined || legacy !== undefined;
}

/**
 * The role of `pod`. Deny is the default: what is not allowed by the configuration, or by the
 * namespace where the configuration heeds it, is refused, and there is no default role. The first
 * annotation that is there decides; one that is refused is not passed over for another.
 */
export function roleFor(pod: Pod, rules: RoleRules, owners: OwnerAnnotations): Decision {
  if (pod.serviceAccount === "") {
    const reason = "it is a static pod, which has no service account";
    return { role: undefined, reason, trail: [reason] };
  }
  const associated = associationFor(pod, rules);
  if (associated !== undefined) return associated;
  const trail = rules.associations.map((_, index) => `associations[${index}] does not fit`);
  for (const look of [ownAnnotation, irsaAnnotation, legacyAnnotation]) {
    const found = look(pod, rules, owners);
    if (found === undefined) continue;
    if ("nothing" in found) trail.push(found.nothing);
    else if (found.role === undefined)
      return { role: undefined, reason: found.why, trail: [...trail, found.why] };
    else return { role: found.role, rule: found.why, trail: [...trail, found.why] };
  }
  const who = `service account ${pod.namespace}/${pod.serviceAccount}`;
  const reason = `no association fits ${who}, and no annotation that is heeded names a role`;
  return { role: undefined, reason, trail };
}

/** What one kind of annotation says: a role, a refusal, or nothing (and why that was looked at). */
type Found =
  | { readonly role: Role | undefined; readonly why: string }
  | { readonly nothing: string };

type Look = (pod: Pod, rules: RoleRules, owners: OwnerAnnotations) => Found | undefined;

const ownAnnotation: Look = (pod, rules, owners) => {
  const own = rules.annotations.crossrole;
  if (own === undefined) return undefined;
  const onPod = pod.annotations[OWN];
  const wanted = onPod ?? owners.serviceAccount[OWN];
  if (wanted === undefined) return { nothing: `no ${OWN} on the pod or its service account` };
  const where = `${OWN} on the ${onPod === undefined ? "service account" : "pod"}`;
  const role = rules.roles.get(wanted) ?? annotatedRole(wanted, own, {});
  if (typeof role === "string") {
    return refused(
      `${where} is ${JSON.stringify(wanted)}: no role of the configuration, and ${role}`,
    );
  }
  const lost = lostInFirstCall(role);
  if (lost !== undefined) {
    return refused(
      `${where} is ${wanted}, which has ${lost}: a pod's own token assumes it first, and ` +
        "AssumeRoleWithWebIdentity takes no such thing; let another role assume it (via), or name a base",
    );
  }
  const names = [wanted, role.arn];
  const pattern = own.roles.find((glob) => fitsRole(glob, names));
  if (pattern !== undefined) {
    return { role, why: `${where} gives ${wanted}, allowed by ${pattern} in the configuration` };
  }
  const permitted = permittedByList(owners.namespace[OWN_ALLOWED], names, fitsRole);
  if (permitted.ok) return { role, why: `${where} gives ${wanted}, allowed by the namespace` };
  return refused(
    `${where} is ${wanted}, which is allowed neither by kubernetes.annotations.crossrole.roles nor by ` +
      `${OWN_ALLOWED} of namespace ${pod.namespace} (${permitted.why})`,
  );
};

const irsaAnnotation: Look = (pod, { annotations: { irsa } }, owners) => {
  if (irsa === undefined) return undefined;
  const arn = owners.serviceAccount[IRSA];
  if (arn === undefined) return { nothing: `no ${IRSA} on the service account` };
  const role = annotatedRole(arn, irsa, {});
  if (typeof role === "string") return refused(`${IRSA} is ${JSON.stringify(arn)}: ${role}`);
  const pattern = irsa.roles.find((glob) => fitsGlob(glob, arn));
  if (pattern !== undefined) {
    return { role, why: `${IRSA} gives ${arn}, allowed by ${pattern} in the configuration` };
  }
  const who = `service account ${pod.namespace}/${pod.serviceAccount}`;
  return refused(
    `${IRSA} on ${who} is ${arn}, which kubernetes.annotations.irsa.roles does not allow`,
  );
};

const legacyAnnotation: Look = (pod, { annotations: { legacy } }, owners) => {
  if (legacy === undefined) return undefined;
  const wanted = pod.annotations[LEGACY];
  if (wanted === undefined) return { nothing: `no ${LEGACY} on the pod` };
  const role = annotatedRole(legacyArn(wanted, legacy), legacy, {
    externalId: pod.annotations["iam.amazonaws.com/external-id"],
    sessionName:
      legacy.kind === "kiam" ? pod.annotations["iam.amazonaws.com/session-name"] : undefined,
  });
  if (typeof role === "string") return refused(`${LEGACY} is ${JSON.stringify(wanted)}: ${role}`);
  const [annotation, permitted] =
    legacy.kind === "kube2iam"
      ? [
          LEGACY_ALLOWED,
          permittedByList(owners.namespace[LEGACY_ALLOWED], [role.arn, wanted], fitsAny),
        ]
      : [
          LEGACY_PERMITTED,
          permittedByKiam(owners.namespace[LEGACY_PERMITTED], role.arn, wanted, legacy.unanchored),
        ];
  if (permitted.ok) return { role, why: `${LEGACY} gives ${role.arn}, allowed by ${annotation}` };
  return refused(
    `${LEGACY} is ${role.arn}, which ${annotation} of namespace ${pod.namespace} does not allow (${permitted.why})`,
  );
};

function fits({ namespace, serviceAccount }: Association, pod: Pod): boolean {
  return fitsGlob(namespace, pod.namespace) && fitsGlob(serviceAccount, pod.serviceAccount);
}

/** A bare name, or one with a path, behind the base ARN; an ARN as it stands. */
function legacyArn(wanted: string, { baseRoleArn }: LegacyAnnotations): string {
  return typeof parseRoleArn(wanted) === "string" && baseRoleArn !== undefined
    ? `${baseRoleArn}${wanted.replace(/^\//, "")}`
    : wanted;
}

function refused(why: string): Found {
  return { role: undefined, why };
}
