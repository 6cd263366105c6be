/**
 * @module Questions to an API server whose answers differ in nothing but names and times: asked of a real
 * one and written down (fixtures/probes.json), and asked of the fake one in each run.
 */
import { clientOf } from "./contract.ts";
import type { ContractBackend } from "./contract.ts";
import type { ApiAnswer } from "../../src/kubernetes/api-refusal.ts";
import type { ApiRequest } from "../../src/kubernetes/client-types.ts";

type Probe = readonly [name: string, request: ApiRequest];

const STS = "sts.amazonaws.com";

/** What every probe says, by its name, with everything in it that varies taken out. */
export async function probe(backend: ContractBackend): Promise<Record<string, ApiAnswer>> {
  const namespace = await backend.createNamespace();
  const client = clientOf(backend);
  const own = { namespace, serviceAccount: "app", node: backend.node };
  const { uid } = await backend.createPod({ ...own, name: "app-1" });
  await backend.createPod({ ...own, name: "other-1", serviceAccount: "other" });
  const there = await backend.createPod({ ...own, name: "there", node: backend.otherNode });
  const names = { [namespace]: "NAMESPACE", [uid]: "UID", [there.uid]: "OTHER-UID" };
  const answers: Record<string, ApiAnswer> = {};
  for (const [name, request] of [
    ...podProbes(backend),
    ...tokenProbes(namespace, uid, there.uid),
    ...objectProbes(namespace),
  ]) {
    const as = request.impersonate ?? backend.impersonate;
    const impersonate = isOwn(request) ? undefined : as;
    const answer = await client.request({ ...request, impersonate });
    answers[name] = plain(answer, names);
  }
  client.close();
  return answers;
}

/** Asked as the service account itself in both tiers. */
function isOwn({ path, impersonate }: ApiRequest): boolean {
  return impersonate === "" || /review|events$|^\/api\/v1\/namespaces\/[^/]+$/.test(path);
}

function list(query: Record<string, string>, impersonate?: string): ApiRequest {
  return { method: "GET", path: "/api/v1/pods", query, impersonate };
}

function podProbes({ node, otherNode }: ContractBackend): readonly Probe[] {
  const watch = { watch: "1", fieldSelector: `spec.nodeName=${node}`, timeoutSeconds: "1" };
  const others = { fieldSelector: `spec.nodeName=${otherNode}` };
  return [
    ["pods as itself", list({ fieldSelector: `spec.nodeName=${node}`, limit: "1" }, "")],
    ["pods of no node", list({ limit: "1" })],
    ["pods of another node", list({ ...others, limit: "1" })],
    ["pods as another node", list(others, `system:node:${otherNode}`)],
    ["pods as a user", list(others, "somebody")],
    ["a field that is none", list({ fieldSelector: `spec.nodeName=${node},status.nothing=1` })],
    ["a continuation that is none", list({ ...others, limit: "1", continue: "nonsense" })],
    ["a watch from nonsense", list({ ...watch, resourceVersion: "abc" })],
    ["a list from nonsense", list({ fieldSelector: watch.fieldSelector, resourceVersion: "abc" })],
    ["first events without a match", list({ ...watch, sendInitialEvents: "true" })],
    ["a match without first events", list({ ...watch, resourceVersionMatch: "NotOlderThan" })],
    ["a pod by its name", { method: "GET", path: "/api/v1/namespaces/default/pods/nosuch" }],
    ["secrets", { method: "GET", path: "/api/v1/secrets" }],
    ["nodes", { method: "GET", path: `/api/v1/nodes/${otherNode}` }],
  ];
}

function tokenProbes(namespace: string, uid: string, otherUid: string): readonly Probe[] {
  const ask = (
    name: string,
    ref: object | undefined,
    spec: { audiences?: readonly string[]; expirationSeconds?: number } = {},
    serviceAccount = "app",
  ): Probe => [
    `a token ${name}`,
    {
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      body: {
        kind: "TokenRequest",
        apiVersion: "authentication.k8s.io/v1",
        spec: { audiences: [STS], expirationSeconds: 3_600, boundObjectRef: ref, ...spec },
      },
    },
  ];
  const pod = { kind: "Pod", apiVersion: "v1", name: "app-1", uid };
  const stranger = "00000000-0000-0000-0000-000000000000";
  return [
    ask("for its pod", pod),
    ask("bound to nothing", undefined),
    ask("without a UID", { ...pod, uid: undefined }),
    ask("of another UID", { ...pod, uid: stranger }),
    ask("of a pod that is gone", { ...pod, name: "gone" }),
    ask("of another service account", pod, {}, "other"),
    ask("of no service account", pod, {}, "nosuch"),
    ask("of another node", { ...pod, name: "there", uid: otherUid }),
    ask("of another audience", pod, { audiences: ["vault"] }),
    ask("of two audiences", pod, { audiences: [STS, "vault"] }),
    ask("of a minute", pod, { expirationSeconds: 60 }),
    ask("of half a day", pod, { expirationSeconds: 43_200 }),
  ];
}

function review(spec: object): ApiRequest {
  return {
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: { kind: "TokenReview", apiVersion: "authentication.k8s.io/v1", spec },
  };
}

function objectProbes(namespace: string): readonly Probe[] {
  const partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
  const get = (path: string): ApiRequest => ({ method: "GET", path, accept: partial });
  const event = (involved: string): ApiRequest => ({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/events`,
    body: {
      kind: "Event",
      apiVersion: "v1",
      metadata: { name: "app-1.0", namespace },
      involvedObject: { kind: "Pod", apiVersion: "v1", name: "app-1", namespace: involved },
      reason: "RoleDenied",
      message: "no",
      type: "Warning",
    },
  });
  return [
    ["a service account", get(`/api/v1/namespaces/${namespace}/serviceaccounts/app`)],
    ["no service account", get(`/api/v1/namespaces/${namespace}/serviceaccounts/nosuch`)],
    ["a namespace", get(`/api/v1/namespaces/${namespace}`)],
    ["no namespace", get("/api/v1/namespaces/nosuch")],
    ["a review of nothing", review({ token: "", audiences: [STS] })],
    ["a review of nonsense", review({ token: "a.b.c", audiences: [STS] })],
    ["an event of another namespace", event("elsewhere")],
  ];
}

const VARYING: ReadonlySet<string> = new Set([
  "continue",
  "creationTimestamp",
  "expirationTimestamp",
  "labels",
  "managedFields",
  "resourceVersion",
  "token",
  "uid",
]);

/** Without times, tokens and versions; names by what they stand for. */
function plain({ status, body }: ApiAnswer, names: Record<string, string>): ApiAnswer {
  const text = JSON.stringify(body, (key, value: unknown) =>
    VARYING.has(key) && typeof value === "string" ? "…" : VARYING.has(key) ? undefined : value,
  );
  // What Go's parser makes of nonsense is left out, and so are whole pods.
  let said = text
    .replace(/(continue key is not valid).*?"/, '$1"')
    .replace(/"items":\[.*\]/, '"items":[]');
  for (const [name, meaning] of Object.entries(names)) said = said.replaceAll(name, meaning);
  return { status, body: JSON.parse(said) };
}
