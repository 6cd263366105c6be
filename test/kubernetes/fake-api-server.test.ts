/** The fake API server is held to what a real one, 1.36.2, has said. */
import { createPublicKey, verify } from "node:crypto";
import type { JsonWebKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ApiAnswer } from "../../src/kubernetes/api-refusal.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { clientOf } from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";
import type { FakeBackend } from "./fake-backend.ts";
import { probe } from "./probes.ts";

async function text(name: string): Promise<string> {
  return await readFile(join(import.meta.dirname, "fixtures", name), "utf8");
}

async function fixture(name: string) {
  return JSON.parse(await text(name));
}

async function lines(name: string): Promise<WatchLine[]> {
  return (await text(name))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as WatchLine);
}

interface WatchLine {
  readonly type: string;
  readonly object: Record<string, unknown>;
}

/** What a kubectl, a kubelet or an admission plugin adds. */
const ADDED: ReadonlySet<string> = new Set([
  "annotations",
  "containers",
  "hostIP",
  "initContainers",
  "managedFields",
  "tolerations",
]);

/** Which fields there are, and of which type. */
function shape(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])];
  const kept = Object.entries(value).filter(([key]) => !ADDED.has(key));
  return Object.fromEntries(kept.map(([key, field]) => [key, shape(field)]));
}

/** What a line says of a pod's life. */
function facts({ type, object }: WatchLine): readonly unknown[] {
  const { metadata = {}, status = {} } = object as Record<string, Record<string, unknown>>;
  return [
    type,
    status["phase"],
    status["podIP"],
    metadata["deletionGracePeriodSeconds"],
    "deletionTimestamp" in metadata,
  ];
}

describe("in both tiers", () => {
  it.each([
    { tier: "impersonation", grants: {} },
    { tier: "rbac", grants: { impersonation: "ungranted", rbac: true } },
  ] as const)("the fake says in tier $tier what the real one says", async ({ tier, grants }) => {
    const backend = await startFakeBackend({ tier, grants });
    await using _ = backend.api;
    expect(await probe(backend)).toEqual(await fixture(`probes-${tier}.json`));
  });
});

describe("the fake", () => {
  let backend: FakeBackend;
  let client: KubernetesClient;

  beforeEach(async () => {
    backend = await startFakeBackend({ tier: "rbac" });
    client = clientOf(backend);
    const app = { namespace: "team-a", name: "app-1", serviceAccount: "app", node: "n1" };
    backend.api.world.addPod({ ...app, addresses: ["10.244.0.11", "fd00:244::11"] });
    backend.api.world.addServiceAccount("team-a", "other");
  });

  afterEach(async () => {
    client.close();
    await backend.api[Symbol.asyncDispose]();
  });

  const get = (path: string, query: Record<string, string> = {}) =>
    client.request({ method: "GET", path, query });

  const tokenOf = (serviceAccount: string, ref: object, spec: object = {}): Promise<ApiAnswer> =>
    client.request({
      method: "POST",
      path: `/api/v1/namespaces/team-a/serviceaccounts/${serviceAccount}/token`,
      body: {
        spec: {
          audiences: ["sts.amazonaws.com"],
          expirationSeconds: 3_600,
          boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "app-1", ...ref },
          ...spec,
        },
      },
    });

  async function watched(query: Record<string, string>, count: number): Promise<WatchLine[]> {
    const told: WatchLine[] = [];
    const watch = { watch: "1", allowWatchBookmarks: "true", ...query };
    for await (const line of client.watch({
      path: "/api/v1/pods",
      query: watch,
      signal: AbortSignal.timeout(10_000),
      idleMs: 10_000,
    })) {
      told.push(line as WatchLine);
      if (told.length === count) break;
    }
    return told;
  }

  it("lists pods of the shape of real ones", async () => {
    const { body } = await get("/api/v1/pods", { fieldSelector: "spec.nodeName=n1" });
    expect(shape(body)).toEqual(shape(await fixture("pods-list.json")));
  });

  it("streams a list of the shape of a real one", async () => {
    const query = { fieldSelector: "spec.nodeName=n1", sendInitialEvents: "true" };
    const told = await watched({ ...query, resourceVersionMatch: "NotOlderThan" }, 3);
    const real = await lines("watchlist.jsonl");
    expect(told.map(shape)).toEqual(real.map(shape));
    expect(JSON.stringify(told[2])).toBe(
      JSON.stringify(real[2]).replace("220", String(backend.api.world.version)),
    );
  });

  it("tells a life of a pod as the real one", async () => {
    const { world } = backend.api;
    const from = String(world.version);
    const life = { namespace: "team-a", name: "life" };
    world.addPod({ ...life, serviceAccount: "app", node: "n1" });
    world.giveAddresses("team-a", "life", ["10.244.0.50"]);
    world.deletePod("team-a", "life", 30);
    world.finishPod("team-a", "life");
    world.deletePod("team-a", "life");
    const told = await watched({ resourceVersion: from, timeoutSeconds: "3" }, 7);
    const real = await lines("watch-lifecycle.jsonl");
    expect(told.map(facts)).toEqual(real.slice(0, 7).map(facts));
  });

  it("answers 410 behind a status of 200, and nothing more", async () => {
    backend.api.world.compact(238);
    const [real] = await lines("watch-410.jsonl");
    expect(await watched({ resourceVersion: "5" }, 99)).toEqual([real]);
  });

  it("answers a version that is none as the real one", async () => {
    const answer = await get("/api/v1/pods", { watch: "1", resourceVersion: "abc" });
    expect(answer.body).toEqual(await fixture("watch-bad-rv.json"));
  });

  it("is silent from a version of the future, and sends no bookmark", async () => {
    const abort = new AbortController();
    const query = { watch: "1", resourceVersion: "9999", allowWatchBookmarks: "true" };
    const watch = { path: "/api/v1/pods", query, signal: abort.signal, idleMs: 200 };
    const next = client.watch(watch)[Symbol.asyncIterator]().next();
    await expect.poll(() => backend.api.watchCount).toBe(1);
    backend.api.bookmark();
    backend.api.world.giveAddresses("team-a", "app-1", ["10.244.0.12"]);
    await expect(next).rejects.toThrow("sent nothing");
  });

  it("issues tokens with the claims of real ones, whose signature its keys verify", async () => {
    const uid = backend.api.world.pods.get("team-a/app-1")?.metadata.uid;
    const { status, body } = await tokenOf("app", { uid });
    const real = await fixture("tokenrequest-201.json");
    expect([status, shape(body)]).toEqual([real.httpStatus, shape(real.body)]);

    const { token } = (body as { status: { token: string } }).status;
    const [header = "", payload = "", signature = ""] = token.split(".");
    const realClaims = JSON.parse(real.body.status.token.slice("<jwt:".length, -1));
    expect(shape(decoded(payload))).toEqual(shape(realClaims));
    expect(decoded(payload)).toMatchObject({ sub: realClaims.sub, aud: realClaims.aud });

    const { body: discovery } = await get("/.well-known/openid-configuration");
    expect(discovery).toMatchObject({ issuer: decoded(payload).iss });
    const { body: jwks } = await get("/openid/v1/jwks");
    const key = (jwks as { keys: (JsonWebKey & { kid: string })[] }).keys.find(
      ({ kid }) => kid === decoded(header)["kid"],
    );
    const publicKey = createPublicKey({ key: key ?? {}, format: "jwk" });
    const signed = Buffer.from(`${header}.${payload}`);
    expect(verify("RSA-SHA256", signed, publicKey, Buffer.from(signature, "base64url"))).toBe(true);
  });

  it.each([
    ["tokenrequest-400-other-sa.json", "other", { uid: "x" }, {}],
    ["tokenrequest-404-no-sa.json", "nosuch", {}, {}],
    ["tokenrequest-404-pod-gone.json", "app", { name: "gone", uid: "x" }, {}],
    ["tokenrequest-409-stale-uid.json", "app", { uid: "00000000-0000-0000-0000-000000000000" }, {}],
    ["tokenrequest-422-exp.json", "app", {}, { expirationSeconds: 60 }],
    ["tokenrequest-422-vap.json", "app", { uid: "x" }, { audiences: ["vault"] }],
  ])("refuses a token as in %s", async (name, serviceAccount, ref, spec) => {
    const { status, body } = await tokenOf(serviceAccount, ref, spec);
    expect({ httpStatus: status, body }).toEqual(await fixture(name));
  });

  it("refuses what RBAC does not allow as the real one", async () => {
    const { status, body } = await get("/api/v1/secrets");
    expect({ httpStatus: status, body }).toEqual(await fixture("forbidden-403.json"));
  });

  it("refuses a token that is not valid as the real one", async () => {
    backend.api.tokens.revoked.add(backend.api.token);
    const { status, body } = await get("/api/v1/pods");
    expect(status).toBe(401);
    expect(body).toEqual(await fixture("unauthorized.json"));
  });

  it("tells who asks as the real one", async () => {
    const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    const { status, body } = await client.request({ method: "POST", path, body: {} });
    const real = await fixture("selfsubjectreview.json");
    expect({ httpStatus: status, body: shape(body) }).toEqual({ ...real, body: shape(real.body) });
    expect(body).toMatchObject({
      status: {
        userInfo: {
          username: real.body.status.userInfo.username,
          groups: real.body.status.userInfo.groups,
          extra: { "authentication.kubernetes.io/node-name": ["n1"] },
        },
      },
    });
  });

  it("gives metadata alone as the real one", async () => {
    const annotations = { "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app" };
    backend.api.world.addServiceAccount("team-a", "app", annotations);
    const { status, body } = await client.request({
      method: "GET",
      path: "/api/v1/namespaces/team-a/serviceaccounts/app",
      accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    });
    const real = await fixture("sa-partial-metadata.json");
    expect({ httpStatus: status, body: shape(body) }).toEqual({ ...real, body: shape(real.body) });
    expect(body).toMatchObject({ metadata: { annotations } });
  });
});

function decoded(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}
