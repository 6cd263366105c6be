/** @module What the file says of pods, with its defaults. */
import type { BaseCredentials } from "../credentials/types.ts";
import type { ConfigFile } from "./schema.ts";
import type { AnnotatedRole, AnnotationRules, KubernetesSettings } from "./types.ts";

interface KubernetesContext {
  /** The variable NODE_NAME. */
  readonly node: string | undefined;
  readonly baseOf: (name: string, region: string) => BaseCredentials;
  readonly region: string | undefined;
  readonly notices: string[];
}

const UNUSED = "will not be heeded: no listener has pods: true";

type Section = NonNullable<ConfigFile["kubernetes"]>;
type Reached = Pick<NonNullable<NonNullable<Section["annotations"]>["irsa"]>, "base" | "via">;

/** For whom the identity tokens of EKS are made. */
const AUDIENCE = "sts.amazonaws.com";

/** Where a base asks STS when nobody has said a region, and the ARN is not known yet. */
const ANY_REGION = "us-east-1";

export function buildKubernetes(
  file: ConfigFile,
  context: KubernetesContext,
): KubernetesSettings | undefined {
  if (!(file.listeners ?? []).some(({ pods }) => pods === true)) {
    for (const key of ["associations", "kubernetes"] as const) {
      if (file[key] !== undefined) context.notices.push(`${key} ${UNUSED}`);
    }
    return undefined;
  }
  const section: Section = file.kubernetes ?? {};
  return {
    node: section.node ?? (context.node || undefined),
    access: section.access ?? "auto",
    audience: section.audience ?? AUDIENCE,
    apiServer: section.apiServer,
    events: section.events ?? true,
    annotations: buildAnnotations(section.annotations ?? {}, context),
  };
}

function buildAnnotations(
  { crossrole, irsa, kube2iam, kiam }: NonNullable<Section["annotations"]>,
  context: KubernetesContext,
): AnnotationRules {
  const reached = (how: Reached) => buildReached(how, context);
  return {
    crossrole: crossrole && { ...reached(crossrole), roles: crossrole.roles },
    irsa: irsa && { ...reached(irsa), roles: irsa.roles },
    legacy:
      (kube2iam && {
        ...reached(kube2iam),
        kind: "kube2iam",
        baseRoleArn: kube2iam.baseRoleArn,
        unanchored: false,
      }) ??
      (kiam && {
        ...reached(kiam),
        kind: "kiam",
        baseRoleArn: kiam.baseRoleArn,
        unanchored: kiam.unanchored ?? false,
      }),
  };
}

function buildReached(
  { base, via = [] }: Reached,
  { baseOf, region }: KubernetesContext,
): AnnotatedRole {
  const namesBase = base !== undefined;
  return { base: baseOf(base ?? "default", region ?? ANY_REGION), namesBase, via, region };
}
