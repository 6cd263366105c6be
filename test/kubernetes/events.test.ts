import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { PodEvents } from "../../src/kubernetes/events.ts";
import type { PodEventInit } from "../../src/kubernetes/events.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import { clientOf } from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";

const POD = { namespace: "team-a", name: "app-1", uid: "7d06" };

let api: FakeApiServer;
let client: KubernetesClient;
let events: PodEvents;
let problems: string[];
let nowMs: number;

beforeEach(async () => {
  const backend = await startFakeBackend();
  ({ api } = backend);
  client = clientOf(backend);
  api.world.addNamespace("team-a");
  problems = [];
  nowMs = Date.parse("2026-11-24T00:00:00.123Z");
  events = new PodEvents({
    client,
    node: "n1",
    now: () => nowMs,
    onProblem: ({ message }) => void problems.push(message),
  });
});

afterEach(async () => {
  events.close();
  client.close();
  await api[Symbol.asyncDispose]();
});

function denied(message: string, more: Partial<PodEventInit> = {}): PodEventInit {
  return { reason: "RoleDenied", message, type: "Warning", ...more };
}

async function arrived(count: number): Promise<void> {
  await vi.waitFor(() => expect(api.calls).toHaveLength(count));
}

describe("an Event", () => {
  it("is on the pod, from crossrole on this node, written as the daemon itself", async () => {
    events.record(POD, denied("STS refused it"));
    await arrived(1);
    expect(api.calls[0]?.impersonate).toBeUndefined();
    await vi.waitFor(() => expect(api.events).toHaveLength(1));
    expect(api.events[0]).toEqual({
      kind: "Event",
      apiVersion: "v1",
      metadata: { name: expect.stringMatching(/^app-1\.[0-9a-f]{16}$/), namespace: "team-a" },
      involvedObject: { kind: "Pod", apiVersion: "v1", ...POD },
      reason: "RoleDenied",
      message: "STS refused it",
      type: "Warning",
      count: 1,
      firstTimestamp: "2026-11-24T00:00:00Z",
      lastTimestamp: "2026-11-24T00:00:00Z",
      source: { component: "crossrole", host: "n1" },
      reportingComponent: "crossrole",
      reportingInstance: "n1",
    });
  });

  it("is written once in ten minutes for each pod, reason and message", async () => {
    for (let i = 0; i < 5; i++) events.record(POD, denied("a"));
    events.record(POD, denied("b"));
    events.record(POD, denied("a", { reason: "Other" }));
    events.record({ ...POD, uid: "8e17" }, denied("a"));
    await arrived(4);
    nowMs += 599_999;
    events.record(POD, denied("a"));
    nowMs += 1;
    events.record(POD, denied("a"));
    await arrived(5);
    expect(api.events.length).toBeGreaterThanOrEqual(4);
  });

  it("is one of five of a pod at once, and of one a minute in the long run", async () => {
    for (let i = 0; i < 100; i++) events.record(POD, denied(`a ${i}`));
    await arrived(5);
    nowMs += 125_000;
    for (let i = 0; i < 100; i++) events.record(POD, denied(`b ${i}`));
    await arrived(7);
    expect(problems).toEqual([]);
  });

  it("is one of ten of a node at once, and of one a second in the long run", async () => {
    const pods = Array.from({ length: 100 }, (_, i) => ({ ...POD, uid: `uid-${i}` }));
    for (const pod of pods) events.record(pod, denied("a"));
    await arrived(10);
    nowMs += 2_500;
    for (const pod of pods) events.record(pod, denied("b"));
    await arrived(12);
    expect(problems).toEqual([]);
  });

  it("of a pod that was told nothing yet is not left out for those that are told all the time", async () => {
    const noisy = Array.from({ length: 8 }, (_, i) => ({ ...POD, uid: `noisy-${i}` }));
    for (const pod of noisy) events.record(pod, denied("first"));
    await arrived(8);
    for (let time = 0; time < 20; time++) {
      nowMs += 500;
      for (const pod of noisy) events.record(pod, denied(`again ${time}`));
    }

    const quiet = Array.from({ length: 5 }, (_, i) => ({ ...POD, uid: `quiet-${i}` }));
    for (const pod of quiet) events.record(pod, denied("first"));

    await vi.waitFor(() => {
      for (const { uid } of quiet) {
        const involvedObject = expect.objectContaining({ uid });
        expect(api.events).toContainEqual(expect.objectContaining({ involvedObject }));
      }
    });
  });

  it("has a message of 1 KiB at most, cut between two characters", async () => {
    events.record(POD, denied("ü🦀".repeat(1_000)));
    await vi.waitFor(() => expect(api.events).toHaveLength(1));
    const { message } = api.events[0] as { message: string };
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_024);
    expect(message).toMatch(/^(?:ü🦀)+ü?…$/u);
  });

  it("has a name that fits, however long the pod's is", async () => {
    events.record({ ...POD, name: `${"x".repeat(229)}.${"y".repeat(23)}` }, denied("a"));
    await vi.waitFor(() => expect(api.events).toHaveLength(1));
    expect(problems).toEqual([]);
  });

  it("that cannot be written is reported once, until one can", async () => {
    api.grants.events = false;
    events.record(POD, denied("a"));
    await vi.waitFor(() => expect(problems).toHaveLength(1));
    events.record(POD, denied("b"));
    events.record(POD, denied("c"));
    await arrived(3);
    api.grants.events = true;
    events.record(POD, denied("d"));
    await vi.waitFor(() => expect(api.events).toHaveLength(1));
    await client.request({ method: "GET", path: "/" });
    expect(problems).toEqual([
      expect.stringContaining('{apiGroups: [""], resources: [events], verbs: ["create"]}'),
    ]);
    await api.stop();
    events.record(POD, denied("e"));
    await vi.waitFor(() => expect(problems).toHaveLength(2));
  });

  it("is given up, and reported to nobody, at the end", async () => {
    api.fault({ kind: "blackHole" });
    events.record(POD, denied("a"));
    await arrived(1);
    events.close();
    events.record(POD, denied("b"));
    await client.request({ method: "GET", path: "/", timeoutMs: 50 }).catch(() => {});
    expect(api.calls).toHaveLength(2);
    expect(problems).toEqual([]);
  });
});
