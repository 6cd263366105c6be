/** What the manifests in deploy/kubernetes ask of a cluster, without one: least privilege, and names that fit. */
import { access, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseConfig } from "../../src/config/load.ts";
import { crossrole } from "../support/program.ts";
import type { Config } from "../../src/config/types.ts";

interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly args?: readonly string[];
  readonly securityContext: {
    readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
    readonly [key: string]: unknown;
  };
  readonly volumeMounts?: readonly { readonly name: string }[];
  readonly [key: string]: unknown;
}

interface PodSpec {
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly [key: string]: unknown;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly Rule[];
  readonly spec?: {
    readonly template?: { readonly spec: PodSpec };
    readonly matchConditions?: readonly { readonly expression: string }[];
  };
  readonly subjects?: readonly object[];
}

const MIB = 1_048_576;
const PAGE = 4_096;
const FILES = ["install.yaml", "install-impersonation.yaml"] as const;

function pathOf(name: string): string {
  return fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
}

async function manifestsOf(name: string): Promise<readonly Manifest[]> {
  const documents = parseAllDocuments(await readFile(pathOf(`kubernetes/${name}`), "utf8"));
  if (!Array.isArray(documents)) throw new Error(`${name} is empty`);
  return documents.map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Manifest;
  });
}

async function podOf(name: string): Promise<PodSpec> {
  const found = (await manifestsOf(name)).find(({ kind }) => kind === "DaemonSet");
  if (found?.spec?.template === undefined) throw new Error(`${name} has no DaemonSet`);
  return found.spec.template.spec;
}

const containersOf = ({ initContainers = [], containers }: PodSpec) => [
  ...initContainers,
  ...containers,
];

async function rulesOf(name: string): Promise<readonly Rule[]> {
  return (await manifestsOf(name)).flatMap(({ rules = [] }) => rules);
}

describe.each([...FILES, "uninstall.yaml"])("the pod of %s", (name) => {
  it("names its capabilities one by one, and has NET_ADMIN for nftables alone", async () => {
    for (const { name: container, securityContext } of containersOf(await podOf(name))) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        seccompProfile: { type: "RuntimeDefault" },
      });
      expect(securityContext).not.toHaveProperty("privileged");
      expect(securityContext.capabilities).toEqual(
        container === "crossrole" ? { drop: ["ALL"] } : { drop: ["ALL"], add: ["NET_ADMIN"] },
      );
    }
  });

  it("sees the node's network and nothing else of the node", async () => {
    const pod = await podOf(name);
    expect(pod).toMatchObject({ hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" });
    expect(pod).not.toHaveProperty("hostPID");
    expect(pod).not.toHaveProperty("hostIPC");
    expect(JSON.stringify(pod)).not.toContain("hostPath");
  });

  it("runs on every Linux node, before anything else", async () => {
    expect(await podOf(name)).toMatchObject({
      priorityClassName: "system-node-critical",
      tolerations: [{ operator: "Exists" }],
    });
    expect(JSON.stringify(await podOf(name))).toContain("kubernetes.io/os");
  });
});

describe.each(FILES)("%s", (name) => {
  it("runs the daemon as nobody, and the interception as a native sidecar before it", async () => {
    const { initContainers, containers } = await podOf(name);
    expect(containers).toMatchObject([
      {
        name: "crossrole",
        command: ["crossrole", "serve"],
        securityContext: { runAsNonRoot: true, runAsUser: 65532 },
      },
    ]);
    expect(initContainers).toMatchObject([
      { name: "interception", restartPolicy: "Always", command: ["crossrole", "node", "install"] },
    ]);
  });

  it("gives a token to the daemon's container, and to no other", async () => {
    const pod = await podOf(name);
    expect(pod["automountServiceAccountToken"]).toBe(false);
    const withToken = containersOf(pod).filter(({ volumeMounts = [] }) =>
      volumeMounts.some((mount) => mount.name === "api-access"),
    );
    expect(withToken.map((container) => container.name)).toEqual(["crossrole"]);
  });

  it("asks of the sidecar's probe what the sidecar installs", async () => {
    const [interception] = (await podOf(name)).initContainers ?? [];
    const args = interception?.args ?? [];
    const flags = args.filter((flag) => flag !== "--watch");
    expect(args).toContain("--watch");
    expect(interception?.["startupProbe"]).toMatchObject({
      exec: { command: ["crossrole", "node", "verify", ...flags] },
    });
  });

  it("has a configuration that loads, with the listener that the redirect leads to", async () => {
    const config = configIn(await manifestsOf(name));
    const [interception] = (await podOf(name)).initContainers ?? [];
    const args = interception?.args ?? [];
    const listen = args[args.indexOf("--listen") + 1];
    expect(config.listeners).toHaveLength(1);
    expect(config.listeners[0]).toMatchObject({ kind: "pods" });
    expect(config.listeners.map(({ address }) => `${address.host}:${address.port}`)).toEqual([
      listen,
    ]);
    expect(args).toContain("--no-ipv6");
    const tier = name === "install.yaml" ? "rbac" : "impersonation";
    expect(config.kubernetes).toMatchObject({ access: tier, audience: "sts.amazonaws.com" });
    expect(config.operations).toEqual({ host: "127.0.0.1", port: 51_680 });
  });

  it("has room for the saved sessions of 250 pods with 8 roles each", async () => {
    // A page of memory each, or two where tags or policies are long.
    const sizeLimit = `${Math.ceil((250 * 8 * 2 * PAGE) / MIB)}Mi`;

    expect((await podOf(name))["volumes"]).toContainEqual({
      name: "state",
      emptyDir: { medium: "Memory", sizeLimit },
    });
  });

  it("probes the operations listener, and for life nothing but the process", async () => {
    const [daemon] = (await podOf(name)).containers;
    const at = { host: "127.0.0.1", port: 51_680 };
    expect(daemon).toMatchObject({
      livenessProbe: { httpGet: { ...at, path: "/healthz" } },
      readinessProbe: { httpGet: { ...at, path: "/readyz" } },
    });
  });

  it("has no wildcard among its rights, and no right to change anything that is there", async () => {
    const rules = await rulesOf(name);
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [
      ...apiGroups,
      ...resources,
      ...verbs,
    ]);
    expect(words.filter((word) => word.includes("*"))).toEqual([]);
    const changes = rules.filter(({ verbs }) =>
      verbs.some((verb) => /(?:create|update|patch|delete)/.test(verb)),
    );
    expect(changes.map(({ resources, verbs }) => [...resources, ...verbs].join(" "))).toEqual([
      name === "install.yaml"
        ? "serviceaccounts/token create"
        : "serviceaccounts/token impersonate-on:associated-node:create",
      "tokenreviews create",
      "events create",
    ]);
  });

  it("means one service account everywhere", async () => {
    const manifests = await manifestsOf(name);
    expect(manifests.find(({ kind }) => kind === "ServiceAccount")?.metadata).toMatchObject({
      name: "crossrole",
      namespace: "crossrole-system",
    });
    const subjects = manifests.flatMap((manifest) => manifest.subjects ?? []);
    expect(subjects).toContainEqual({
      kind: "ServiceAccount",
      name: "crossrole",
      namespace: "crossrole-system",
    });
    const users = manifests.flatMap(({ spec }) => spec?.matchConditions ?? []);
    for (const { expression } of users)
      expect(expression).toContain("'system:serviceaccount:crossrole-system:crossrole'");
    expect(users).toHaveLength(name === "install.yaml" ? 1 : 0);
  });
});

it("lets nobody mint tokens but under the policy", async () => {
  const kinds = (await manifestsOf("install.yaml")).map(({ kind }) => kind);
  expect(kinds).toContain("ValidatingAdmissionPolicyBinding");
  const rights = await rulesOf("install-impersonation.yaml");
  const direct = rights.filter(
    ({ resources, verbs }) =>
      resources.includes("serviceaccounts/token") && verbs.includes("create"),
  );
  expect(direct).toEqual([]);
});

it("has a chart of the version of the program", async () => {
  const chart: unknown = parse(await readFile(pathOf("helm/crossrole/Chart.yaml"), "utf8"));
  const program = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(await readFile(program, "utf8")) as { version: string };
  expect(chart).toMatchObject({ appVersion: version });
});

it("has an example of the sidecar's configuration that loads, at the addresses that pods are given", async () => {
  const config = configIn(await manifestsOf("sidecar.yaml"));
  expect(config.listeners).toMatchObject([
    { kind: "role", address: { host: "127.0.0.1", port: 9911 }, allowUsers: "any" },
  ]);
  const template = await readFile(
    pathOf("helm/crossrole/templates/injection-sidecar.yaml"),
    "utf8",
  );
  expect(template).toContain("http://127.0.0.1:9911");
  expect(config.operations).toEqual({ host: "127.0.0.1", port: 9910 });
  expect(template).toContain("http://127.0.0.1:9910/readyz");
  // Where the example says that the token is, the sidecar has it.
  expect(template).toContain("mountPath: '/var/run/secrets/crossrole'");
});

it("has a page whose links lead somewhere", async () => {
  const page = await readFile(pathOf("kubernetes/README.md"), "utf8");
  const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link ?? "");
  expect(links.length).toBeGreaterThan(4);
  for (const link of links) await access(pathOf(`kubernetes/${link}`));
});

it("gives the program only options that it has", async () => {
  const helpers = await readFile(pathOf("helm/crossrole/templates/_helpers.tpl"), "utf8");
  const flags = new Set([...helpers.matchAll(/"(--[a-z0-9-]+)"/g)].map(([, flag]) => flag ?? ""));
  expect(flags.size).toBeGreaterThan(4);
  const { stdout: install } = await crossrole(["node", "install", "--help"]);
  const { stdout: verify } = await crossrole(["node", "verify", "--help"]);
  for (const flag of flags) expect(install).toContain(`  ${flag}`);
  flags.delete("--watch");
  for (const flag of flags) expect(verify).toContain(`  ${flag}`);
  const { stdout: serve } = await crossrole(["serve", "--help"]);
  for (const flag of ["--config", "--log-level"]) expect(serve).toContain(` ${flag} `);
});

function configIn(manifests: readonly Manifest[]): Config {
  const text = manifests.find(({ kind }) => kind === "ConfigMap")?.data?.["crossrole.yaml"] ?? "";
  const path = "/etc/crossrole/crossrole.yaml";
  const environment = { NODE_NAME: "n1" };
  return parseConfig({ kind: "file", path, settings: {} }, text, {
    flags: {},
    environment,
    hostname: "n1",
  });
}
