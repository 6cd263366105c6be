/** @module Which path of the fake API server is what, and the small objects behind them. */
import type { Attributes } from "./fake-api-server-access.ts";
import { invalid, notFound } from "./fake-api-server-answers.ts";
import type { Answer } from "./fake-api-server-answers.ts";
import type { PlainObject } from "./fake-api-server-world.ts";

export type Route = Attributes;

const AUTHENTICATION = "authentication.k8s.io";

export function routeOf(method: string, path: string, query: URLSearchParams): Route {
  if (path === "/.well-known/openid-configuration" || path === "/openid/v1/jwks") {
    return { verb: "get", group: "", resource: "keys" };
  }
  const review = /^\/apis\/authentication\.k8s\.io\/v1\/(tokenreviews|selfsubjectreviews)$/.exec(
    path,
  );
  if (review !== null && method === "POST") {
    return { verb: "create", group: AUTHENTICATION, resource: review[1] ?? "" };
  }
  const core =
    /^\/api\/v1(?:\/namespaces\/([^/]+)(?=\/))?\/([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+))?$/.exec(path);
  if (core === null) throw notFound("paths", path);
  const [, namespace, kind = "", name, subresource] = core.map((part) =>
    part === undefined ? undefined : decodeURIComponent(part),
  );
  const resource = subresource === undefined ? (kind ?? "") : `${kind}/${subresource}`;
  return {
    verb: verbOf(method, name, query),
    group: "",
    resource,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    // A namespace is in itself.
    ...(kind === "namespaces" && name !== undefined ? { namespace: name } : {}),
    node: nodeIn(query.get("fieldSelector") ?? ""),
  };
}

function verbOf(method: string, name: string | undefined, query: URLSearchParams): string {
  if (method === "POST") return "create";
  if (method !== "GET") return method.toLowerCase();
  if (name !== undefined) return "get";
  return ["1", "true"].includes(query.get("watch") ?? "") ? "watch" : "list";
}

function nodeIn(selector: string): string | undefined {
  return /(?:^|,)spec\.nodeName==?([^,]*)(?:,|$)/.exec(selector)?.[1];
}

const KINDS: Readonly<Record<string, string>> = {
  serviceaccounts: "ServiceAccount",
  namespaces: "Namespace",
};

/** As PartialObjectMetadata for whoever asks for that, and whole for others. */
export function partialMetadata(
  resource: string,
  name: string,
  object: PlainObject | undefined,
  accept = "",
): Answer {
  if (object === undefined) throw notFound(resource, name);
  const isPartial = /as=PartialObjectMetadata;g=meta\.k8s\.io;v=v1/.test(accept);
  const type = isPartial
    ? { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1" }
    : { kind: KINDS[resource], apiVersion: "v1" };
  return { status: 200, body: { ...type, ...object } };
}

/** @throws Refusal 422 as the validation of core/v1 has it */
export function eventErrors(namespace: string, event: Record<string, unknown>): void {
  const involved = (event["involvedObject"] ?? {}) as { readonly namespace?: string };
  const { name = "" } = (event["metadata"] ?? {}) as { readonly name?: string };
  const about = { kind: "Event", name };
  if (involved.namespace !== namespace) {
    throw invalid(about, [
      {
        type: "FieldValueInvalid",
        field: "involvedObject.namespace",
        value: involved.namespace ?? "",
        message: "does not match event.namespace",
      },
    ]);
  }
  if (!/^[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?$/.test(name)) {
    throw invalid(about, [
      {
        type: "FieldValueInvalid",
        field: "metadata.name",
        value: name,
        message:
          "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'",
      },
    ]);
  }
}
