import { afterAll, beforeAll, expect, it } from "vitest";
import { startNodeScene, ROLE_A, ROLE_B } from "./node-scene.ts";
import type { NodeScene } from "./node-scene.ts";
import { testCgroup } from "./namespaces-cgroup.ts";
import type { TestCgroup } from "./namespaces-cgroup.ts";
import { createPod } from "./objects.ts";

let scene: NodeScene;
let cgroup: TestCgroup;

beforeAll(async () => {
  // What the chart grants with attestation.proc, and nothing else.
  const behind = ["setpriv", "--bounding-set", "-all,+sys_ptrace", "--inh-caps", "-all", "--"];
  scene = await startNodeScene({ access: "impersonation", behind });
  cgroup = await testCgroup();
});

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await cgroup[Symbol.asyncDispose]();
});

/** What a process of the pod with `uid` is put behind, as the container runtime does. */
async function inPod(uid: string): Promise<readonly string[]> {
  const container = `kubepods/pod${uid}/container`;
  await cgroup.make(container);
  return cgroup.behind(container);
}

it("with SYS_PTRACE alone the daemon goes by the kernel's word", () => {
  expect(scene.daemon.stderr).toContain('"attestation":"kernel"');
});

it("a pod whose address the API server does not know yet gets its role at once", async () => {
  const of = { namespace: "team-a", name: "young", serviceAccount: "a", node: "n1" };
  const { metadata } = await createPod(scene.plane, of);
  const before = scene.s3.listedBy.length;

  await scene.listBucket(scene.network.pods[0], { behind: await inPod(metadata.uid) });

  expect(scene.s3.listedBy.slice(before)).toEqual([ROLE_A]);
});

it("a pod at an address that the API server still calls another's gets its own role", async () => {
  const [, place] = scene.network.pods;
  await scene.addPod("before", "a", place);
  const of = { namespace: "team-a", name: "after", serviceAccount: "b", node: "n1" };
  const { metadata } = await createPod(scene.plane, of);
  const before = scene.s3.listedBy.length;

  await scene.listBucket(place, { behind: await inPod(metadata.uid) });

  expect(scene.s3.listedBy.slice(before)).toEqual([ROLE_B]);
});
