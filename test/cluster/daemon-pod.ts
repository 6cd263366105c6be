/** @module The daemon's pod on a node, made of the chart's DaemonSet as its controller would. */
import type { ControlPlane } from "./control-plane.ts";
import { NAMESPACE, only } from "./helm.ts";
import type { Manifest } from "./helm.ts";
import { createPod } from "./objects.ts";
import type { PodObject } from "./objects.ts";

export type DaemonSet = Manifest & {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: { readonly containers: readonly object[] };
    };
  };
};

/** Creates the pod of `node`; its token is {@link ControlPlane.tokenFor} the service account `crossrole`. */
export async function createDaemonPod(
  plane: ControlPlane,
  manifests: readonly Manifest[],
  node: string,
): Promise<PodObject> {
  const { spec } = only(manifests, "DaemonSet") as DaemonSet;
  const { metadata, spec: podSpec } = spec.template;
  return await createPod(plane, {
    namespace: NAMESPACE,
    name: `crossrole-${node}`,
    serviceAccount: "crossrole",
    node,
    labels: metadata.labels,
    spec: podSpec,
  });
}
