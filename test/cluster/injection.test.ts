/** What the API server makes of pods in labelled namespaces, by the chart's policies. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../clients/until.ts";
import { applyAll } from "./apply.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { render } from "./helm.ts";
import { createNamespace, createPod } from "./objects.ts";
import type { NewPod, PodObject } from "./objects.ts";

const VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const DAEMON = { name: VARIABLE, value: "http://169.254.171.254:51679" };
const SIDECAR = { name: VARIABLE, value: "http://127.0.0.1:9911" };
const image = "example.test/app";

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
  await createNamespace(plane, "plain");
  for (const inject of ["endpoint", "sidecar"])
    await createNamespace(plane, inject, { labels: { "crossrole.dev/inject": inject } });
  const manifests = await render({ injection: { endpoint: true, sidecar: true } });
  await applyAll(
    plane,
    manifests.filter(({ kind }) => kind.startsWith("MutatingAdmissionPolicy")),
  );
  for (const namespace of ["endpoint", "sidecar"]) {
    await until(`the policy of ${namespace} is in force`, async () => {
      const pod = await newPod(namespace);
      return environmentOf(pod, "app").length > 0;
    });
  }
});
afterAll(() => plane.stop());

let count = 0;

function newPod(namespace: string, pod: Partial<NewPod> = {}): Promise<PodObject> {
  count += 1;
  return createPod(plane, { namespace, name: `pod-${count}`, ...pod });
}

function environmentOf({ spec }: PodObject, container: string) {
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  return all.find(({ name }) => name === container)?.env ?? [];
}

describe.each([
  ["endpoint", DAEMON],
  ["sidecar", SIDECAR],
])("a pod of a namespace with the label crossrole.dev/inject=%s", (namespace, variable) => {
  it("gets the variable in every container, behind what it has", async () => {
    const pod = await newPod(namespace, {
      spec: {
        initContainers: [{ name: "migrate", image, env: [{ name: "A", value: "1" }] }],
        containers: [
          { name: "first", image, env: [{ name: "B", value: "2" }] },
          { name: "second", image },
        ],
      },
    });
    expect(environmentOf(pod, "migrate")).toEqual([{ name: "A", value: "1" }, variable]);
    expect(environmentOf(pod, "first")).toEqual([{ name: "B", value: "2" }, variable]);
    expect(environmentOf(pod, "second")).toEqual([variable]);
  });

  it("keeps the endpoint that it names, and references to fields and secrets", async () => {
    const own = [
      { name: VARIABLE, value: "http://10.0.0.9" },
      { name: "HOST", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "status.hostIP" } } },
      { name: "KEY", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
    ];
    const kept = own.slice(1);
    const containers = [
      { name: "app", image, env: own },
      { name: "other", image, env: kept },
    ];
    const pod = await newPod(namespace, { spec: { containers } });
    expect(environmentOf(pod, "app")).toEqual(own);
    expect(environmentOf(pod, "other")).toEqual([...kept, variable]);
  });

  it("may say a variable twice, and a port for two protocols, as pods do", async () => {
    const env = [
      { name: "A", value: "1" },
      { name: "A", value: "2" },
    ];
    const ports = [
      { containerPort: 53, protocol: "TCP" },
      { containerPort: 53, protocol: "UDP" },
    ];
    const pod = await newPod(namespace, {
      spec: { containers: [{ name: "app", image, env, ports }] },
    });
    expect(environmentOf(pod, "app")).toEqual([...env, variable]);
  });

  it("stays as it is when its label says so, or its network is the node's", async () => {
    const excluded = await newPod(namespace, { labels: { "crossrole.dev/inject": "false" } });
    const hostNetwork = await newPod(namespace, { spec: { hostNetwork: true } });
    for (const { spec } of [excluded, hostNetwork]) {
      expect(spec.containers[0]?.env).toBeUndefined();
      expect(spec.initContainers).toBeUndefined();
    }
  });
});

it("leaves pods of other namespaces as they are", async () => {
  const { spec } = await newPod("plain");
  expect(spec.containers[0]?.env).toBeUndefined();
  expect(spec.initContainers).toBeUndefined();
});

describe("the sidecar", () => {
  it("comes first, and the containers that were there keep their order", async () => {
    const initContainers = [
      { name: "migrate", image },
      { name: "seed", image },
    ];
    const { spec } = await newPod("sidecar", { spec: { initContainers } });
    expect(spec.initContainers?.map(({ name }) => name)).toEqual(["crossrole", "migrate", "seed"]);
    expect(environmentOf({ spec } as PodObject, "crossrole")).toEqual([]);
  });

  it("is a native one, hardened, ready before the next container starts", async () => {
    const { spec } = await newPod("sidecar");
    expect(spec.initContainers?.[0]).toMatchObject({
      name: "crossrole",
      image: "crossrole:0.1.0",
      restartPolicy: "Always",
      startupProbe: { exec: { command: ["node", "-e", expect.stringContaining("/readyz")] } },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      },
      resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "192Mi" } },
    });
  });

  it("gets the identity of the pod for STS, and nothing for the API server", async () => {
    const { spec } = await newPod("sidecar");
    expect(spec.volumes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          name: "crossrole-identity",
          projected: expect.objectContaining({
            sources: [
              {
                serviceAccountToken: {
                  audience: "sts.amazonaws.com",
                  expirationSeconds: 3600,
                  path: "token",
                },
              },
            ],
          }),
        }),
      ]),
    );
    const [sidecar] = spec.initContainers as unknown as { volumeMounts: object[] }[];
    // The last one keeps the API server from mounting a token for itself there.
    expect(sidecar?.volumeMounts).toMatchObject([
      { name: "crossrole-config", mountPath: "/etc/crossrole" },
      { name: "crossrole-identity", mountPath: "/var/run/secrets/crossrole" },
      { name: "crossrole-config", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" },
    ]);
  });

  it("reads the ConfigMap that the pod names, or crossrole", async () => {
    const named = await newPod("sidecar", { annotations: { "crossrole.dev/config": "billing" } });
    const usual = await newPod("sidecar");
    expect(configOf(named)).toMatchObject({ configMap: { name: "billing" } });
    expect(configOf(usual)).toMatchObject({ configMap: { name: "crossrole" } });
  });

  it("is let into a namespace that takes restricted pods only", async () => {
    const labels = {
      "crossrole.dev/inject": "sidecar",
      "pod-security.kubernetes.io/enforce": "restricted",
    };
    await createNamespace(plane, "restricted", { labels });
    const securityContext = {
      allowPrivilegeEscalation: false,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    };
    const containers = [{ name: "app", image, securityContext }];
    const { spec } = await newPod("restricted", { spec: { containers } });
    expect(spec.initContainers?.map(({ name }) => name)).toEqual(["crossrole"]);
  });

  it("is not put beside one that is there", async () => {
    const initContainers = [{ name: "crossrole", image, restartPolicy: "Always" }];
    const { spec } = await newPod("sidecar", { spec: { initContainers } });
    expect(spec.initContainers).toHaveLength(1);
  });
});

function configOf({ spec }: PodObject) {
  return spec.volumes?.find(({ name }) => name === "crossrole-config");
}
