import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { podOf } from "../../src/kubernetes/pod.ts";

function fixture(name: string): string {
  return readFileSync(join(import.meta.dirname, "fixtures", name), "utf8");
}

/** A pod as the API server sends it, with parts of it replaced. */
function object(parts: { metadata?: object; spec?: object; status?: object } = {}): unknown {
  return {
    metadata: { name: "app-1", namespace: "team-a", uid: "7d06", ...parts.metadata },
    spec: { nodeName: "n1", serviceAccountName: "app", ...parts.spec },
    status: { phase: "Running", ...parts.status },
  };
}

describe("what is kept of a pod", () => {
  it("is a dozen fields of what a real API server lists", () => {
    const { items } = JSON.parse(fixture("pods-list.json")) as { items: unknown[] };
    expect(items.map(podOf)).toEqual([
      {
        uid: "8eec9200-dd56-441c-b1eb-6329f5f781ba",
        namespace: "crossrole-system",
        name: "crossrole-n1",
        serviceAccount: "crossrole",
        node: "n1",
        addresses: [],
        hostNetwork: true,
        endsByItself: false,
        finished: false,
        deletionMs: undefined,
        annotations: {},
      },
      {
        uid: "7d069035-bcb0-4c5a-bc8f-a7b687bc9636",
        namespace: "team-a",
        name: "app-1",
        serviceAccount: "app",
        node: "n1",
        addresses: ["10.244.0.11", "fd00:244::11"],
        hostNetwork: false,
        endsByItself: false,
        finished: false,
        deletionMs: undefined,
        annotations: {},
      },
    ]);
  });

  it("follows the life that a real API server told of", () => {
    const lines = fixture("watch-lifecycle.jsonl").trim().split("\n");
    const pods = lines.map((line) => podOf((JSON.parse(line) as { object: unknown }).object));
    const end = Date.parse("2026-11-23T23:17:22Z");
    const ended = Date.parse("2026-11-23T23:16:52Z");
    const told = pods.map((pod) => pod && [pod.addresses, pod.finished, pod.deletionMs]);
    expect(told).toEqual([
      [[], false, undefined],
      [["10.244.0.50"], false, undefined],
      [["10.244.0.50"], false, end],
      [["10.244.0.50"], true, end],
      [["10.244.0.50"], true, ended],
      [["10.244.0.50"], true, ended],
      undefined,
      undefined,
    ]);
  });

  it("has addresses once each, in one spelling, whichever field they are in", () => {
    const status = {
      podIP: "10.0.0.1",
      podIPs: [{ ip: "FD00:0:0::1" }, { ip: "::ffff:10.0.0.1" }, { ip: "nonsense" }, 7, {}],
    };
    expect(podOf(object({ status }))?.addresses).toEqual(["fd00::1", "10.0.0.1"]);
    expect(podOf(object({ status: { podIP: "10.0.0.2" } }))?.addresses).toEqual(["10.0.0.2"]);
  });

  it.each(["Succeeded", "Failed"])("is finished in phase %s", (phase) => {
    expect(podOf(object({ status: { phase } }))?.finished).toBe(true);
  });

  it("has an empty service account for a static pod, whose address is still its own", () => {
    const spec = { serviceAccountName: undefined, hostNetwork: true };
    expect(podOf(object({ spec }))).toMatchObject({ serviceAccount: "", hostNetwork: true });
  });

  it("has the annotations that may choose a role, and no others", () => {
    const annotations = {
      "crossrole.dev/role": "orders-reader",
      "iam.amazonaws.com/role": "reader",
      "iam.amazonaws.com/external-id": "x",
      "iam.amazonaws.com.evil.example/role": "admin",
      "xcrossrole.dev/role": "admin",
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
      "crossrole.dev/number": 7,
    };
    expect(podOf(object({ metadata: { annotations } }))?.annotations).toEqual({
      "crossrole.dev/role": "orders-reader",
      "iam.amazonaws.com/role": "reader",
      "iam.amazonaws.com/external-id": "x",
    });
  });

  it("has few annotations, however many a pod has, and none cut short", () => {
    const many = Array.from({ length: 5_000 }, (_, i) => [`crossrole.dev/a${i}`, "x"]);
    const annotations = { "crossrole.dev/role": "x".repeat(3_000), ...Object.fromEntries(many) };
    const kept = podOf(object({ metadata: { annotations } }))?.annotations ?? {};
    expect(Object.keys(kept).length).toBeLessThanOrEqual(16);
    expect(kept).not.toHaveProperty(["crossrole.dev/role"]);
  });

  it.each<[string, Parameters<typeof object>[0]]>([
    ["a node", { spec: { nodeName: "" } }],
    ["a UID", { metadata: { uid: undefined } }],
    ["a name", { metadata: { name: 7 } }],
    ["a namespace", { metadata: { namespace: null } }],
    ["a date of deletion that is one", { metadata: { deletionTimestamp: "tomorrow" } }],
    ["a date of deletion that is text", { metadata: { deletionTimestamp: 7 } }],
    ["a name of a usual length", { metadata: { name: "x".repeat(300) } }],
  ])("is nothing without %s", (_, parts) => {
    expect(podOf(object(parts))).toBeUndefined();
  });

  it.each([
    undefined,
    null,
    7,
    "pod",
    [],
    {},
    { metadata: null, spec: null, status: null },
    { metadata: { resourceVersion: "226" }, spec: { containers: null }, status: {} },
  ])("is nothing of %j", (value) => {
    expect(podOf(value)).toBeUndefined();
  });

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(
        fc.object({
          key: fc.constantFrom("metadata", "spec", "status", "uid", "podIPs", "annotations", "ip"),
        }),
        (value) => {
          expect(() => podOf(value)).not.toThrow();
        },
      ),
    );
  });
});
