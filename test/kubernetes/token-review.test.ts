import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { reviewToken } from "../../src/kubernetes/token-review.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import type { PodObject } from "../support/fake-api-server-world.ts";
import { clientOf } from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";

const AUDIENCE = "pods.eks.amazonaws.com";
const OF = { namespace: "team-a", serviceAccount: "app" };

let api: FakeApiServer;
let client: KubernetesClient;
let pod: PodObject;

beforeEach(async () => {
  const backend = await startFakeBackend();
  ({ api } = backend);
  client = clientOf(backend);
  pod = api.world.addPod({ ...OF, name: "app-1", node: "n1" });
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

function review(token: string) {
  return reviewToken(client, token, { audience: AUDIENCE });
}

/** What a review says, altered on its way. */
function answer(status: object): void {
  const body = JSON.stringify({ kind: "TokenReview", status });
  api.fault({ kind: "body", status: 201, body, path: "tokenreviews" });
}

const KEY = "authentication.kubernetes.io";
const GOOD = {
  authenticated: true,
  audiences: [AUDIENCE],
  user: {
    username: "system:serviceaccount:team-a:app",
    extra: { [`${KEY}/pod-name`]: ["app-1"], [`${KEY}/pod-uid`]: ["u"] },
  },
};

describe("a review of a token", () => {
  it("tells the pod that it was issued to, asked as the daemon itself", async () => {
    const token = api.tokens.issue({ ...OF, pod }, [AUDIENCE]);
    expect(await review(token)).toEqual({ uid: pod.metadata.uid, ...OF, pod: "app-1" });
    expect(api.calls).toEqual([
      expect.objectContaining({
        path: "/apis/authentication.k8s.io/v1/tokenreviews",
        impersonate: undefined,
        body: expect.objectContaining({ spec: { token, audiences: [AUDIENCE] } }),
      }),
    ]);
  });

  it.each<[string, () => string]>([
    ["of another audience", () => api.tokens.issue({ ...OF, pod }, ["sts.amazonaws.com"])],
    ["that has expired", () => api.tokens.issue({ ...OF, pod }, [AUDIENCE], -10)],
    ["that is bound to no pod", () => api.tokens.issue(OF, [AUDIENCE])],
    [
      "with another signature",
      () => `${api.tokens.issue({ ...OF, pod }, [AUDIENCE]).slice(0, -8)}AAAAAAAA`,
    ],
    ["of nobody", () => "a.b.c"],
  ])("knows no pod for one %s", async (_, token) => {
    expect(await review(token())).toBeUndefined();
  });

  it("knows no pod for one whose pod has gone, or has come back as another", async () => {
    const token = api.tokens.issue({ ...OF, pod }, [AUDIENCE]);
    api.world.deletePod("team-a", "app-1");
    expect(await review(token)).toBeUndefined();
    api.world.addPod({ ...OF, name: "app-1", node: "n1" });
    expect(await review(token)).toBeUndefined();
  });

  it.each(["", "text", "a.b", "a.b.c.d", "a.b.c\r\nX: y", `a.b.${"c".repeat(20_000)}`])(
    "is not even asked for what is no token (%#)",
    async (token) => {
      expect(await review(token)).toBeUndefined();
      expect(api.calls).toEqual([]);
    },
  );

  it("takes what is as it should be", async () => {
    answer(GOOD);
    expect(await review("a.b.c")).toEqual({ uid: "u", ...OF, pod: "app-1" });
  });

  it.each<[string, object]>([
    ["authenticated as text", { ...GOOD, authenticated: "true" }],
    ["no audiences", { ...GOOD, audiences: undefined }],
    ["other audiences", { ...GOOD, audiences: ["vault"] }],
    ["an audience as text", { ...GOOD, audiences: AUDIENCE }],
    ["a user who is a node", { ...GOOD, user: { ...GOOD.user, username: "system:node:n1" } }],
    [
      "a user of five parts",
      { ...GOOD, user: { ...GOOD.user, username: "system:serviceaccount:a:b:c" } },
    ],
    ["no user", { ...GOOD, user: undefined }],
    ["no pod", { ...GOOD, user: { ...GOOD.user, extra: {} } }],
    [
      "two pods",
      {
        ...GOOD,
        user: {
          ...GOOD.user,
          extra: { [`${KEY}/pod-name`]: ["a"], [`${KEY}/pod-uid`]: ["u", "v"] },
        },
      },
    ],
  ])("knows no pod for %s", async (_, status) => {
    answer(status);
    expect(await review("a.b.c")).toBeUndefined();
  });

  it("throws when it may not ask, and says which rule is missing", async () => {
    api.grants.tokenReviews = false;
    await expect(review("a.b.c")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      message: expect.stringContaining(
        '{apiGroups: ["authentication.k8s.io"], resources: [tokenreviews], verbs: ["create"]}',
      ),
    });
  });

  it("throws in trouble, and does not say the token", async () => {
    const token = api.tokens.issue({ ...OF, pod }, [AUDIENCE]);
    api.fault({ kind: "body", status: 500, body: `{"message":"what is ${token}"}` });
    const error = await review(token).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });
    expect(inspect(error)).toContain("what is …");
    expect(inspect(error, { depth: 9 })).not.toContain(token.slice(0, 30));
  });
});
