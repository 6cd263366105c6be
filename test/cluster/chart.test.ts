/** Every manifest that the chart makes, of every option, is what a real API server takes without a doubt. */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../clients/until.ts";
import { apply, applyAll } from "./apply.ts";
import { startControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { createDaemonPod } from "./daemon-pod.ts";
import type { DaemonSet } from "./daemon-pod.ts";
import { CHART, helm, NAMESPACE, parseManifests, render, template } from "./helm.ts";
import type { Manifest } from "./helm.ts";
import { createNamespace, createNode } from "./objects.ts";

const ROLE = { arn: "arn:aws:iam::222222222222:role/orders-reader" };

/** Values by what they are for: each option at least once. */
const VALUES: Readonly<Record<string, object>> = {
  "nothing but the defaults": {},
  "the rights of impersonation": { access: "impersonation" },
  "the rights of RBAC for the own node only": { tokenRequests: { ownNodeOnly: true } },
  "roles, associations and every annotation": {
    config: {
      region: "eu-west-1",
      roles: { "orders-reader": { ...ROLE, durationSeconds: 3600 } },
      associations: [{ namespace: "orders", serviceAccount: "*", role: "orders-reader" }],
      kubernetes: {
        events: false,
        annotations: {
          crossrole: { roles: ["orders-*"] },
          irsa: { roles: ["*"] },
          kiam: { baseRoleArn: "arn:aws:iam::222222222222:role/", unanchored: true },
        },
      },
    },
  },
  "an audience of China, impersonating": {
    access: "impersonation",
    config: {
      roles: {},
      kubernetes: {
        audience: "sts.amazonaws.com.cn",
        annotations: { crossrole: { roles: ["*"] } },
      },
    },
  },
  "IPv6, EKS Pod Identity and no spoofing": {
    ipv6: true,
    interception: { podIdentity: true, antiSpoof: true },
  },
  "both injections": { injection: { endpoint: true, sidecar: true } },
  "no resources": {
    resources: { requests: null, limits: null },
    interception: { resources: { requests: null, limits: null } },
    injection: { sidecar: true },
  },
  "egress of two namespaces": {
    ipv6: true,
    interception: { podIdentity: true },
    networkPolicy: { namespaces: ["orders", "billing"] },
  },
  "a PodMonitor": {
    operations: { host: "0.0.0.0" },
    podMonitor: { enabled: true, labels: { release: "prometheus" } },
  },
  "sight of other processes": { attestation: { proc: true } },
  "the end of interception": { interception: { uninstall: true } },
  "an image by digest and every small thing": {
    image: { repository: "example.test/crossrole", digest: `sha256:${"0".repeat(64)}` },
    imagePullSecrets: [{ name: "pull" }],
    serviceAccount: { annotations: { "eks.amazonaws.com/role-arn": ROLE.arn } },
    extraEnv: [{ name: "HTTPS_PROXY", value: "http://10.0.0.1:3128" }],
    podAnnotations: { "example.test/note": "x" },
    podLabels: { team: "platform" },
    nodeSelector: { canary: "true" },
    tolerations: [{ key: "dedicated", operator: "Exists", effect: "NoSchedule" }],
    maxUnavailable: 1,
    logLevel: "debug",
  },
};

/** As much of the operator's CRD as names the resource: its fields are checked against nothing. */
const POD_MONITORS = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "podmonitors.monitoring.coreos.com" },
  spec: {
    group: "monitoring.coreos.com",
    scope: "Namespaced",
    names: { kind: "PodMonitor", plural: "podmonitors", singular: "podmonitor" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    ],
  },
};

describe("the chart", () => {
  let plane: ControlPlane;
  beforeAll(async () => {
    plane = await startControlPlane();
    for (const namespace of [NAMESPACE, "orders", "billing"])
      await createNamespace(plane, namespace);
    await applyAll(plane, [POD_MONITORS]);
    const path = "/apis/monitoring.coreos.com/v1";
    await until("PodMonitor is served", async () => {
      return (await plane.request("GET", path)).status === 200;
    });
  });
  afterAll(() => plane.stop());

  describe.each(Object.entries(VALUES))("with %s", (_, values) => {
    it("is accepted whole by the API server", async () => {
      const manifests = await render(values);
      expect(manifests.length).toBeGreaterThan(4);
      expect(await complaintsOf(manifests)).toEqual([]);
    });
  });

  it.each(["sidecar/sidecar.yaml", "kubernetes/sidecar.yaml"])(
    "is not needed for deploy/%s, which the API server takes as it is",
    async (name) => {
      const file = new URL(`../../deploy/${name}`, import.meta.url);
      const manifests = parseManifests(await readFile(file, "utf8"));
      expect(manifests.length).toBeGreaterThan(1);
      expect(await complaintsOf(manifests)).toEqual([]);
    },
  );

  async function complaintsOf(manifests: readonly Manifest[]): Promise<string[]> {
    const answers = await Promise.all(
      manifests.map(async (manifest) => {
        const { status, headers, body } = await apply(plane, manifest, { dryRun: true });
        const refusal = status < 300 ? "" : `${status} ${body.message}`;
        // The API server compiles the CEL of a policy, and warns of what it finds odd.
        return `${manifest.kind}/${manifest.metadata.name}: ${refusal}${headers["warning"] ?? ""}`;
      }),
    );
    return answers.filter((answer) => !answer.endsWith(": "));
  }

  it("makes a pod that the API server takes", async () => {
    await createNode(plane, "n1");
    const manifests = await render();
    await applyAll(plane, manifests);
    const pod = await createDaemonPod(plane, manifests, "n1");
    expect(pod.spec.initContainers?.map(({ name }) => name)).toEqual(["interception"]);
    // A token for the daemon's container alone.
    const mounts = (pod.spec.initContainers ?? []).flatMap((container) => Object.keys(container));
    expect(mounts).not.toContain("volumeMounts");
    expect(pod.spec.volumes?.map(({ name }) => name)).toEqual(["config", "api-access", "state"]);
  });

  it("needs the label privileged of its namespace", async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}`;
    const enforce = async (level: string) => {
      const labels = { "pod-security.kubernetes.io/enforce": level };
      const options = { contentType: "application/merge-patch+json" };
      await plane.request("PATCH", path, { metadata: { labels } }, options);
    };
    const manifests = await render();
    let pods = 0;
    // The API server hears of its own namespaces' labels a moment later than whoever sets them.
    const create = (said: RegExp) =>
      until(`the API server says ${said.source}`, async () => {
        const created = createDaemonPod(plane, manifests, `n2-${pods++}`);
        return said.test(await created.then(() => "created", String));
      });
    await enforce("baseline");
    await create(/violates PodSecurity "baseline:latest": .*host namespaces \(hostNetwork=true\)/);
    await enforce("privileged");
    await create(/^created$/);
    expect(pods).toBeGreaterThan(1);
  });

  it("leaves nothing of the daemon when uninstall.yaml is applied over install.yaml", async () => {
    for (const text of [await install("rbac", "1.30"), await uninstall()])
      await applyAll(plane, parseManifests(text));
    const daemonSets = `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets`;
    const { body } = await plane.request<{ items: DaemonSet[] }>("GET", daemonSets);
    const [{ spec } = { spec: undefined }, ...more] = body.items;
    expect(more).toEqual([]);
    expect(spec?.template.spec.containers).toMatchObject([
      { name: "uninstall", command: ["crossrole", "node", "uninstall", "--stay"] },
    ]);
    expect(spec?.template.spec).not.toHaveProperty("initContainers");
    expect(spec?.template.spec).not.toHaveProperty("volumes");
  });
});

describe("helm", () => {
  it("finds nothing to complain of", async () => {
    const said = await helm(["lint", "--strict", CHART]);
    expect(said).toContain("1 chart(s) linted, 0 chart(s) failed");
  });

  it.each([
    ["a key that there is none of", { acess: "rbac" }],
    ["one inside another", { image: { repo: "x" } }],
    ["one of the configuration", { config: { roles: {}, association: [] } }],
    [
      "an annotation that is none",
      { config: { roles: {}, kubernetes: { annotations: { isra: {} } } } },
    ],
    ["a value that is none of the choices", { access: "both" }],
    ["a word for a boolean", { ipv6: "yes" }],
    ["what the chart itself decides", { config: { roles: {}, listeners: [] } }],
    ["a quote in what stands in an expression", { image: { tag: "1' + 'x" } }],
    ["a digest that is none", { image: { digest: "latest" } }],
    ["a label that the DaemonSet selects by", { podLabels: { "app.kubernetes.io/name": "x" } }],
    ["the variable that says the node", { extraEnv: [{ name: "NODE_NAME", value: "x" }] }],
  ])("refuses %s", async (_, values) => {
    await expect(template(values)).rejects.toThrow("values don't meet the specifications");
  });

  it.each([
    [{ access: "impersonation" }, "1.35.3", "access: impersonation needs Kubernetes 1.36"],
    [{ injection: { endpoint: true } }, "1.35.3", "injection needs the MutatingAdmissionPolicy"],
    [{ podMonitor: { enabled: true } }, "1.36.2", "set operations.host: 0.0.0.0"],
    [{}, "1.29.9", "which is incompatible with Kubernetes v1.29.9"],
  ])("says what to do about %j on Kubernetes %s", async (values, version, message) => {
    await expect(template(values, [], version)).rejects.toThrow(message);
  });

  it.each(["1.30.0", "v1.34.9-eks-1a2b3c4", "1.36.0-gke.100"])(
    "renders for Kubernetes %s",
    async (version) => {
      expect(parseManifests(await template({}, [], version))).not.toEqual([]);
    },
  );
});

describe("deploy/kubernetes", () => {
  /** Written anew with CROSSROLE_WRITE_MANIFESTS=1. */
  it.each([
    ["install.yaml", () => install("rbac", "1.30")],
    ["install-impersonation.yaml", () => install("impersonation", "1.36")],
    ["uninstall.yaml", uninstall],
  ])("%s is what the chart renders", async (name, rendered) => {
    const file = fileURLToPath(new URL(`../../deploy/kubernetes/${name}`, import.meta.url));
    const text = await rendered();
    if (process.env["CROSSROLE_WRITE_MANIFESTS"]) await writeFile(file, text);
    expect(await readFile(file, "utf8")).toBe(text);
  });
});

const HEADER =
  "# Rendered from deploy/helm/crossrole by CROSSROLE_WRITE_MANIFESTS=1 npm run test:kubernetes: change the chart.";

async function install(access: string, since: string): Promise<string> {
  return `${HEADER}
# For Kubernetes ${since} and later (access: ${access}). Say your roles in the ConfigMap before you apply it.
apiVersion: v1
kind: Namespace
metadata:
  name: ${NAMESPACE}
  labels:
    # The DaemonSet has the node's network.
    pod-security.kubernetes.io/enforce: privileged
${withoutSources(await template({ access }))}`;
}

async function uninstall(): Promise<string> {
  const part = ["--show-only", "templates/daemonset.yaml"];
  return `${HEADER}
# Takes the redirect and the guard off every node: apply it, wait for the rollout, then delete the rest.
${withoutSources(await template({ interception: { uninstall: true } }, part))}`;
}

function withoutSources(text: string): string {
  return text.replaceAll(/^# Source: .*\n/gm, "").replaceAll(/\n+---\n/g, "\n---\n");
}

it("names the objects of a tier in no other", async () => {
  const rbac = namesOf(await render());
  const impersonation = namesOf(await render({ access: "impersonation" }));
  expect(rbac).toContain("ValidatingAdmissionPolicy/crossrole-token-requests");
  expect(impersonation.filter((name) => !rbac.includes(name))).toEqual([
    "ClusterRole/crossrole-audience",
    "ClusterRoleBinding/crossrole-audience",
  ]);
});

function namesOf(manifests: readonly Manifest[]): string[] {
  return manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
}
