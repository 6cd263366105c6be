/** @module What `kubectl apply --server-side` does, as HTTP: strict, and as a trial when it is asked for. */
import type { ApiAnswer, ApiObject, ApiStatus } from "./api-client.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { Manifest } from "./helm.ts";

interface ResourceList {
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
  }[];
}

/** Applies one object; what the API server says of it is an answer. An unknown field is an error there. */
export async function apply(
  plane: ControlPlane,
  manifest: Manifest,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<ApiAnswer<ApiObject & ApiStatus>> {
  const query = `fieldManager=test&force=true&fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
  // JSON is YAML.
  return await plane.request("PATCH", `${await pathOf(plane, manifest)}?${query}`, manifest, {
    contentType: "application/apply-patch+yaml",
  });
}

/** Applies them in their order. @throws Error of the first that is refused. */
export async function applyAll(plane: ControlPlane, manifests: readonly Manifest[]): Promise<void> {
  for (const manifest of manifests) {
    const { status, body } = await apply(plane, manifest);
    if (status >= 300)
      throw new Error(`${manifest.kind} ${manifest.metadata.name}: ${status} ${body.message}`);
  }
}

async function pathOf(plane: ControlPlane, { apiVersion, kind, metadata }: Manifest) {
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { body } = await plane.request<ResourceList>("GET", group);
  // The first of a kind is the resource itself: what follows are its parts, `pods/status`.
  const resource = body.resources?.find(
    (entry) => entry.kind === kind && !entry.name.includes("/"),
  );
  if (resource === undefined) throw new Error(`the API server knows no ${kind} of ${apiVersion}`);
  const { name, namespace } = metadata;
  if (resource.namespaced !== (namespace !== undefined))
    throw new Error(`${kind} ${name}: ${resource.namespaced ? "no" : "a"} namespace`);
  const within = namespace === undefined ? "" : `/namespaces/${namespace}`;
  return `${group}${within}/${resource.name}/${name}`;
}
