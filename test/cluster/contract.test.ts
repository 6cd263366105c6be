import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  clientOf,
  follow,
  listContract,
  refusalContract,
  reflectorContract,
  tokenRequestContract,
} from "../kubernetes/contract.ts";
import { until } from "../clients/until.ts";
import { applyAll } from "./apply.ts";
import { startRealBackend } from "./backend.ts";
import type { RealBackend } from "./backend.ts";
import { render } from "./helm.ts";

/** As long as an API server may take that is started again. */
const PATIENCE = { timeout: 60_000, interval: 20 };

describe.each([
  ["impersonation", "new"],
  ["rbac", "new"],
  ["impersonation", "old"],
  ["rbac", "old"],
] as const)("a real API server with access: %s and the %s etcd", (access, etcd) => {
  let backend: RealBackend;

  beforeAll(async () => {
    const grant = async (plane: RealBackend["plane"]) => {
      await applyAll(plane, await render({ access }));
    };
    backend = await startRealBackend({ access, etcd, grant });
    // What admission policies forbid is in force a moment after they are there.
    const { plane } = backend;
    const of = "/api/v1/namespaces/crossrole-system/serviceaccounts/crossrole/token";
    const token = await plane.tokenFor("crossrole-system", "crossrole");
    await until("the policy is in force", async () => {
      const { status } = await plane.request("POST", of, {}, { token });
      return status >= 403;
    });
  });

  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
  });

  reflectorContract(() => backend);
  listContract(() => backend);
  tokenRequestContract(() => backend);
  refusalContract(() => backend, access);

  it("is followed over a stop, a kill, a restart and a compaction, and no pod is missed", async () => {
    const { plane } = backend;
    const client = clientOf(backend);
    const { reflector, picture } = follow(backend, client, { idleMs: 3_000, shortMs: 500 });
    const namespace = await backend.createNamespace();
    const add = (name: string) =>
      backend.createPod({ namespace, name, serviceAccount: "app", node: "n1" });
    const seen = (name: string, isThere: boolean) =>
      vi.waitFor(() => expect(picture.named(name) !== undefined).toBe(isThere), PATIENCE);
    await add("a");
    await seen("a", true);

    plane.pause();
    await vi.waitFor(() => expect(picture.problems).not.toEqual([]), PATIENCE);
    plane.resume();
    await add("b");
    await seen("b", true);

    await plane.kill();
    await plane.start();
    await backend.deletePod(namespace, "a", 0);
    await add("c");
    await seen("c", true);
    await seen("a", false);

    await plane.compact();
    await backend.deletePod(namespace, "b", 0);
    await add("d");
    await seen("d", true);
    await seen("b", false);

    reflector.close();
    client.close();
  });
});
