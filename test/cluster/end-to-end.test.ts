import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startNodeScene, ROLE_A, ROLE_B } from "./node-scene.ts";
import type { NodeScene } from "./node-scene.ts";
import { deletePod } from "./objects.ts";
import type { PodObject } from "./objects.ts";

describe.each(["impersonation", "rbac"] as const)("a node with access: %s", (access) => {
  let scene: NodeScene;
  let podA: PodObject;
  let podB: PodObject;
  beforeAll(async () => {
    scene = await startNodeScene({ access });
    const { pods, routedPod } = scene.network;
    podA = await scene.addPod("pod-a", "a", pods[0]);
    podB = await scene.addPod("pod-b", "b", pods[1]);
    await scene.addPod("pod-c", "c", routedPod);
  });
  afterAll(async () => {
    await scene[Symbol.asyncDispose]();
  });

  it("lets an unmodified boto3 list a bucket through 169.254.169.254, each pod with its own role", async () => {
    const [a, b] = scene.network.pods;
    const before = scene.s3.listedBy.length;

    expect(await scene.listBucket(a)).toBe("2026/11/24.csv\n");
    expect(await scene.listBucket(b)).toBe("2026/11/24.csv\n");

    expect(scene.s3.listedBy.slice(before)).toEqual([ROLE_A, ROLE_B]);
  });

  it("gives a pod without a role nothing, with the same program, and an Event that says why", async () => {
    await expect(scene.listBucket(scene.network.routedPod)).rejects.toThrow(
      "Unable to locate credentials",
    );

    expect(await scene.eventsOf("pod-c")).toEqual([
      expect.stringContaining("no association fits service account team-a/c"),
    ]);
  });

  it("lets boto3 show the pod's own token instead, as EKS Pod Identity has it", async () => {
    const [, b] = scene.network.pods;
    const before = scene.s3.listedBy.length;
    const folder = await mkdtemp(path.join(tmpdir(), "crossrole-token-"));
    const AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = path.join(folder, "token");
    const of = { pod: podB.metadata, audiences: ["sts.amazonaws.com"] };
    const token = await scene.plane.tokenFor("team-a", "b", of);
    await writeFile(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, token);
    const variables = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials",
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    };

    expect(await scene.listBucket(b, { variables })).toBe("2026/11/24.csv\n");

    expect(scene.s3.listedBy.slice(before)).toEqual([ROLE_B]);
    await rm(folder, { recursive: true });
  });

  it("answers boto3 over IPv6 as well, at fd00:ec2::254", async () => {
    const variables = { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: "IPv6" };
    const before = scene.s3.listedBy.length;

    await scene.listBucket(scene.network.pods[0], { variables });

    expect(scene.s3.listedBy.slice(before)).toEqual([ROLE_A]);
  });

  it("explains on the node which rule gave or refused what", async () => {
    expect(await scene.check("pod-a")).toContain("associations[0] (team-a, a) gives role-a");
    expect(await scene.check("pod-c")).toContain("role: none (no association fits");
  });

  it("goes on while the API server is away, and when it is back", async () => {
    const [a] = scene.network.pods;
    await scene.plane.kill();

    expect(await scene.listBucket(a)).toBe("2026/11/24.csv\n");

    await scene.plane.start();
    expect(await scene.listBucket(a)).toBe("2026/11/24.csv\n");
  });

  it("gives the pod that takes over an address its own role, and never its predecessor's", async () => {
    const [{ address, address6, namespace }] = scene.network.pods;
    await deletePod(scene.plane, podA);
    await namespace[Symbol.asyncDispose]();
    const next = await scene.addPlace({ address, address6, shape: "bridge" });
    await scene.addPod("pod-a2", "b", next);
    const before = scene.s3.listedBy.length;

    expect(await scene.listBucket(next)).toBe("2026/11/24.csv\n");

    expect(scene.s3.listedBy.slice(before)).toEqual([ROLE_B]);
  });

  it("serves again after the daemon was replaced; in between pods get nothing of the node's", async () => {
    const [, b] = scene.network.pods;
    await scene.restartDaemon();
    const before = scene.s3.listedBy.length;

    expect(await scene.listBucket(b)).toBe("2026/11/24.csv\n");

    expect(scene.s3.listedBy.slice(before)).toEqual([ROLE_B]);
  });
});
