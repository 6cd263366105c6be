/** @module Who asks the fake API server, and whether he may: RBAC, the Node authorizer, and constrained impersonation. */
import { Refusal } from "./fake-api-server-answers.ts";
import type { World } from "./fake-api-server-world.ts";

export interface User {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What somebody wants to do. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `serviceaccounts/token`. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  /** What the field selectors ask of `spec.nodeName`. */
  readonly node?: string | undefined;
}

/** What has been granted; may be changed at any time. */
export interface Grants {
  /**
   * Tier A. `true`: Kubernetes 1.36 with its ClusterRole; `"ungranted"`: 1.36 without it; `false`:
   * an older one, which knows no constrained impersonation.
   */
  impersonation: boolean | "ungranted";
  /** The group system:nodes may ask for the audience sts.amazonaws.com. */
  audience: boolean;
  /** Tier B: pods, service accounts and their tokens, of the whole cluster. */
  rbac: boolean;
  /** The ValidatingAdmissionPolicy crossrole-token-requests. */
  policy: boolean;
  namespaces: boolean;
  events: boolean;
  tokenReviews: boolean;
}

export const DAEMON = "system:serviceaccount:crossrole-system:crossrole";
const NODE = "system:node:";

const ON_ASSOCIATED_NODE: ReadonlySet<string> = new Set([
  "get pods",
  "list pods",
  "watch pods",
  "create serviceaccounts/token",
  "get serviceaccounts",
]);

/** The user that a request with `Impersonate-User` is made as. */
export function impersonated(
  grants: Grants,
  requester: User,
  wanted: string,
  attributes: Attributes,
): User {
  if (grants.impersonation === false) {
    throw forbidden(requester, {
      verb: "impersonate",
      group: "",
      resource: "users",
      name: wanted,
    });
  }
  const mode = modeOf(requester, wanted);
  const isAllowed =
    mode === "associated-node" &&
    grants.impersonation === true &&
    ON_ASSOCIATED_NODE.has(`${attributes.verb} ${attributes.resource}`);
  if (!isAllowed) {
    throw forbidden(requester, {
      ...attributes,
      verb: `impersonate-on:${mode}:${attributes.verb}`,
    });
  }
  return { username: wanted, groups: ["system:nodes", "system:authenticated"], extra: {} };
}

/** The most constrained way to be `wanted`, which is the one that a refusal speaks of. */
function modeOf(requester: User, wanted: string): string {
  const own = requester.extra["authentication.kubernetes.io/node-name"]?.[0];
  if (wanted === `${NODE}${own}`) return "associated-node";
  if (wanted.startsWith(NODE)) return "arbitrary-node";
  return wanted.startsWith("system:serviceaccount:") ? "serviceaccount" : "user-info";
}

/** @throws {@link Refusal} 403, as the real one words it */
export function authorize(world: World, grants: Grants, user: User, wanted: Attributes): void {
  if (user.groups.includes("system:masters")) return;
  if (wanted.resource === "selfsubjectreviews") return;
  if (user.username.startsWith(NODE)) {
    const reason = nodeRefusal(world, user.username.slice(NODE.length), wanted);
    if (reason !== undefined) throw forbidden(user, wanted, reason);
    return;
  }
  if (user.username !== DAEMON || !isGranted(grants, wanted)) throw forbidden(user, wanted);
}

function isGranted(grants: Grants, { verb, resource }: Attributes): boolean {
  switch (`${verb} ${resource}`) {
    case "get pods":
    case "list pods":
    case "watch pods":
    case "get serviceaccounts":
    case "create serviceaccounts/token":
      return grants.rbac;
    case "get namespaces":
      return grants.namespaces;
    case "create events":
      return grants.events;
    case "create tokenreviews":
      return grants.tokenReviews;
    default:
      return false;
  }
}

/** Undefined when the Node authorizer allows it. */
function nodeRefusal(world: World, node: string, wanted: Attributes): string | undefined {
  switch (`${wanted.verb} ${wanted.resource}`) {
    case "list pods":
    case "watch pods":
      return wanted.node === node
        ? undefined
        : "can only list/watch pods with spec.nodeName field selector";
    case "get pods":
      return world.pods.get(`${wanted.namespace}/${wanted.name}`)?.spec.nodeName === node
        ? undefined
        : unrelated(node);
    case "get serviceaccounts":
    case "create serviceaccounts/token":
      return isServiceAccountOn(world, node, wanted) ? undefined : unrelated(node);
    default:
      return "";
  }
}

function unrelated(node: string): string {
  return `no relationship found between node '${node}' and this object`;
}

function isServiceAccountOn(world: World, node: string, { namespace, name }: Attributes): boolean {
  return [...world.pods.values()].some(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      spec.serviceAccountName === name &&
      spec.nodeName === node,
  );
}

function forbidden(user: User, wanted: Attributes, reason = ""): Refusal {
  const { verb, group, resource, namespace, name } = wanted;
  const place =
    namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const what = `User "${user.username}" cannot ${verb} resource "${resource}" in API group "${group}" ${place}`;
  return forbiddenFor(wanted, reason === "" ? what : `${what}: ${reason}`, name);
}

/** The same from an admission plugin. */
export function forbiddenFor(
  { group, resource }: Pick<Attributes, "group" | "resource">,
  why: string,
  name?: string,
): Refusal {
  const [kind = ""] = resource.split("/");
  const qualified = group === "" ? kind : `${kind}.${group}`;
  const named = name === undefined ? qualified : `${qualified} "${name}"`;
  return new Refusal(403, `${named} is forbidden: ${why}`, {
    reason: "Forbidden",
    details: {
      ...(name === undefined ? {} : { name }),
      ...(group === "" ? {} : { group }),
      kind,
    },
  });
}
