import { writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkOwnNode, findAccess, nodeOfToken } from "../../src/kubernetes/access.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import { clientOf } from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";

let api: FakeApiServer;
let client: KubernetesClient;

beforeEach(async () => {
  const backend = await startFakeBackend();
  ({ api } = backend);
  client = clientOf(backend);
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

describe("access", () => {
  it("is by impersonation where that works, even if the other would", async () => {
    api.grants.rbac = true;
    expect(await findAccess(client, "n1", "auto")).toEqual({
      kind: "impersonation",
      user: "system:node:n1",
    });
    expect(api.calls.map(({ query }) => query)).toEqual([
      { fieldSelector: "spec.nodeName=n1", limit: "1" },
    ]);
  });

  it.each([false, "ungranted"] as const)(
    "is by RBAC where impersonation (%s) does not work",
    async (impersonation) => {
      Object.assign(api.grants, { impersonation, rbac: true });
      expect(await findAccess(client, "n1", "auto")).toEqual({ kind: "rbac" });
    },
  );

  it("is what it is wanted to be, and nothing else is tried", async () => {
    Object.assign(api.grants, { rbac: true });
    expect(await findAccess(client, "n1", "rbac")).toEqual({ kind: "rbac" });
    expect(api.calls.map(({ impersonate }) => impersonate)).toEqual([undefined]);
    Object.assign(api.grants, { impersonation: false });
    await expect(findAccess(client, "n1", "impersonation")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
    });
    expect(api.calls).toHaveLength(2);
  });

  it("that is refused is explained for each way to ask", async () => {
    api.grants.impersonation = "ungranted";
    const refused = findAccess(client, "n1", "auto");
    await expect(refused).rejects.toMatchObject({ code: "ERR_KUBERNETES_DENIED" });
    await expect(refused).rejects.toThrow(
      /refused to list the pods of node n1 as system:node:n1 \(403 Forbidden: .*impersonate-on:associated-node:list.* - and - .*as its own service account \(403 .*crossrole-token-requests/,
    );
    await expect(refused).rejects.not.toThrow("\n");
  });

  it("to another node than the daemon's own is refused", async () => {
    await expect(findAccess(client, "n2", "auto")).rejects.toThrow(
      "cannot impersonate-on:arbitrary-node:list",
    );
  });

  it.each([429, 500, 503])("is not known yet after the status %i", async (status) => {
    Object.assign(api.grants, { rbac: true });
    api.fault({ kind: "status", status, times: 1 });
    await expect(findAccess(client, "n1", "auto")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
    });
    expect(api.calls).toHaveLength(1);
  });

  it("is not known yet while nobody answers, and not looked for once it is given up", async () => {
    await expect(findAccess(client, "n1", "auto", AbortSignal.abort())).rejects.toMatchObject({
      code: "ERR_CLOSED",
    });
    await api.stop();
    await expect(findAccess(client, "n1", "auto")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
    });
  });

  it("is not known with a token that is not valid", async () => {
    api.tokens.revoked.add(api.token);
    await expect(findAccess(client, "n1", "auto")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      message: expect.stringContaining("check kubernetes.apiServer.tokenFile"),
    });
  });
});

describe("the own node", () => {
  it("is in the token of a pod", () => {
    expect(nodeOfToken(api.token)).toBe("n1");
  });

  it.each([
    "",
    "a.b.c",
    "a",
    `a.${Buffer.from("{}").toString("base64url")}.c`,
    `a.${Buffer.from('{"kubernetes.io":7}').toString("base64url")}.c`,
  ])("is in no other (%#)", (token) => {
    expect(nodeOfToken(token)).toBeUndefined();
  });

  it("must be the one that is configured", async () => {
    await expect(checkOwnNode(api.tokenFile, "n1")).resolves.toBeUndefined();
    await expect(checkOwnNode(api.tokenFile, "n2")).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: `kubernetes.node is n2, but the token in ${api.tokenFile} was issued on node n1; set NODE_NAME from the field spec.nodeName`,
    });
  });

  it("may be any for a token that does not say", async () => {
    const of = { namespace: "crossrole-system", serviceAccount: "crossrole" };
    await writeFile(api.tokenFile, api.tokens.issue(of));
    await expect(checkOwnNode(api.tokenFile, "n2")).resolves.toBeUndefined();
  });

  it("is not known without a token", async () => {
    await expect(checkOwnNode(`${api.tokenFile}-nowhere`, "n1")).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
    });
  });
});
