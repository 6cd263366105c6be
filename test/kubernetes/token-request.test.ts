import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { requestToken } from "../../src/kubernetes/token-request.ts";
import type { TokenPod } from "../../src/kubernetes/token-request.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import { clientOf } from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";

const OPTIONS = { audience: "sts.amazonaws.com", impersonate: "system:node:n1" };

let api: FakeApiServer;
let client: KubernetesClient;
let pod: TokenPod;

beforeEach(async () => {
  const backend = await startFakeBackend();
  ({ api } = backend);
  client = clientOf(backend);
  const init = { namespace: "team-a", name: "app-1", serviceAccount: "app" };
  const { metadata } = api.world.addPod({ ...init, node: "n1" });
  pod = { ...init, uid: metadata.uid };
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

/** Answers the next token request with `body`. */
function answer(status: number, body: unknown): void {
  api.fault({ kind: "body", status, body: JSON.stringify(body), path: "/token" });
}

/** As far as tests spoil it. */
interface Issued {
  readonly spec: { audiences: string[]; boundObjectRef?: { uid: string } };
  readonly status: { token?: string; expirationTimestamp?: string };
}

async function issued(): Promise<Issued> {
  const path = join(import.meta.dirname, "fixtures", "tokenrequest-201.json");
  const { body } = JSON.parse(await readFile(path, "utf8"));
  body.spec.boundObjectRef.uid = pod.uid;
  body.status.token = "aaaa.bbbb.cccc";
  return body;
}

describe("a token request", () => {
  it("asks for an hour, for one audience, bound to the pod's name and UID", async () => {
    const before = Date.now();
    const { token, expiration } = await requestToken(client, pod, OPTIONS);
    expect(token.split(".")).toHaveLength(3);
    expect(expiration.getTime()).toBeGreaterThan(before + 3_590_000);
    expect(api.calls).toEqual([
      expect.objectContaining({
        method: "POST",
        path: "/api/v1/namespaces/team-a/serviceaccounts/app/token",
        impersonate: "system:node:n1",
        body: {
          kind: "TokenRequest",
          apiVersion: "authentication.k8s.io/v1",
          spec: {
            audiences: ["sts.amazonaws.com"],
            expirationSeconds: 3_600,
            boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "app-1", uid: pod.uid },
          },
        },
      }),
    ]);
  });

  it("is not made for a static pod, which has no service account", async () => {
    const rejected = requestToken(client, { ...pod, serviceAccount: "" }, OPTIONS);
    await expect(rejected).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      message: expect.stringContaining("pod team-a/app-1 is static and has no service account"),
    });
    expect(api.calls).toEqual([]);
  });

  it("stays within its path, whatever a name is", async () => {
    const odd = { ...pod, namespace: "../..", serviceAccount: "a/b?c#d" };
    await expect(requestToken(client, odd, OPTIONS)).rejects.toThrow("refused");
    expect(api.calls[0]?.path).toBe(
      "/api/v1/namespaces/..%2F../serviceaccounts/a%2Fb%3Fc%23d/token",
    );
  });

  it.each([
    "tokenrequest-400-other-sa.json",
    "tokenrequest-404-no-sa.json",
    "tokenrequest-404-pod-gone.json",
    "tokenrequest-409-stale-uid.json",
  ])("is refused as stale by %s", async (name) => {
    const { httpStatus, body } = JSON.parse(
      await readFile(join(import.meta.dirname, "fixtures", name), "utf8"),
    );
    answer(httpStatus, body);
    await expect(requestToken(client, pod, OPTIONS)).rejects.toMatchObject({
      code: "ERR_POD_STALE",
      message: expect.stringMatching(
        /^the API server refused to issue a token for service account team-a\/app of pod app-1 \(4\d\d \w+: .*\); the pod is gone or has been replaced since$/,
      ),
    });
  });

  it.each([
    [
      "tokenrequest-422-vap.json",
      "crossrole may only request audience sts.amazonaws.com, not vault); see the ValidatingAdmissionPolicy crossrole-token-requests",
    ],
    ["tokenrequest-422-exp.json", "may not specify a duration less than 10 minutes"],
  ])("is denied by %s", async (name, words) => {
    const { httpStatus, body } = JSON.parse(
      await readFile(join(import.meta.dirname, "fixtures", name), "utf8"),
    );
    answer(httpStatus, body);
    await expect(requestToken(client, pod, OPTIONS)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      message: expect.stringContaining(words),
    });
  });

  it("is denied with the rule that nodes lack for the audience", async () => {
    api.grants.audience = false;
    await expect(requestToken(client, pod, OPTIONS)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      message: expect.stringContaining(
        '; grant the group system:nodes the verb request-serviceaccounts-token-audience on the resource "sts.amazonaws.com" in API group ""',
      ),
    });
  });

  it("is denied with the rule that the service account lacks", async () => {
    const own = { ...OPTIONS, impersonate: undefined };
    await expect(requestToken(client, pod, own)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      message: expect.stringContaining(
        '{apiGroups: [""], resources: [serviceaccounts/token], verbs: ["create"]}',
      ),
    });
  });

  it.each([400, 404, 429, 500, 503])(
    "may be tried again after a %i that is of no pod",
    async (status) => {
      api.fault({ kind: "body", status, body: "404 page not there", path: "/token" });
      await expect(requestToken(client, pod, OPTIONS)).rejects.toMatchObject({
        code: "ERR_KUBERNETES_UNAVAILABLE",
      });
    },
  );

  it("is answered with the token as it came", async () => {
    answer(201, await issued());
    const got = await requestToken(client, pod, OPTIONS);
    expect(got.token).toBe("aaaa.bbbb.cccc");
    expect(got.expiration).toEqual(new Date("2026-11-24T00:16:52Z"));
    expect(inspect(got, { depth: 9, showHidden: true }) + JSON.stringify(got)).not.toContain(
      "aaaa",
    );
  });

  it.each<[string, (body: Issued) => unknown]>([
    ["no token", (body) => delete body.status.token],
    ["an empty token", (body) => (body.status.token = "")],
    ["a token that is none", (body) => (body.status.token = "aaaa bbbb")],
    ["no expiration", (body) => delete body.status.expirationTimestamp],
    ["an expiration that is none", (body) => (body.status.expirationTimestamp = "soon")],
    ["another audience", (body) => (body.spec.audiences = ["vault"])],
    ["a second audience", (body) => body.spec.audiences.push("vault")],
    ["another pod", (body) => (body.spec.boundObjectRef = { uid: "x" })],
    ["no pod", (body) => delete body.spec.boundObjectRef],
  ])("is not answered by %s", async (_, spoil) => {
    const body = await issued();
    spoil(body);
    answer(201, body);
    const error = await requestToken(client, pod, OPTIONS).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });
    expect(inspect(error)).not.toContain("aaaa");
  });
});
