/** deploy/sidecar: its addresses, probe and annotation agree, and it is as hardened as the chart's. */
import { access, readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/types.ts";

const DEPLOY = path.join(import.meta.dirname, "..", "..", "deploy");

interface Container {
  readonly name: string;
  readonly image: string;
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly startupProbe?: {
    readonly exec: { readonly command: readonly string[] };
    readonly failureThreshold: number;
    readonly periodSeconds: number;
  };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: {
        readonly serviceAccountName: string;
        readonly securityContext: { readonly fsGroup: number };
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
      };
    };
  };
}

const text = await readFile(path.join(DEPLOY, "sidecar", "sidecar.yaml"), "utf8");
const manifests = parseAllDocuments(text).map((document): Manifest => document.toJS());
const template = manifests.find(({ kind }) => kind === "Deployment")?.spec?.template;
const [sidecar] = template?.spec.initContainers ?? [];

function configIn(file: string): Config {
  const origin = { kind: "file", path: "crossrole.yaml", settings: {} } as const;
  return parseConfig(origin, file, { flags: {}, environment: {}, hostname: "h" });
}

const configMap = manifests.find(({ kind }) => kind === "ConfigMap")?.data ?? {};

describe("the sidecar", () => {
  it("has a configuration that loads, at the addresses of the chart's", async () => {
    const config = configIn(configMap["crossrole.yaml"] ?? "");
    const chart = await readFile(path.join(DEPLOY, "kubernetes", "sidecar.yaml"), "utf8");
    const [, other] = parseAllDocuments(chart).map((document): Manifest => document.toJS());
    const theirs = configIn(other?.data?.["crossrole.yaml"] ?? "");
    expect(config.listeners).toEqual(theirs.listeners);
    expect(config.operations).toEqual(theirs.operations);
    expect([...config.roles.keys()]).toEqual([...theirs.roles.keys()]);
  });

  it("keeps EKS's variables from every container but its own", () => {
    const skipped = template?.metadata.annotations["eks.amazonaws.com/skip-containers"]?.split(",");
    expect(skipped).toEqual(template?.spec.containers.map(({ name }) => name));
    const account = manifests.find(({ kind }) => kind === "ServiceAccount");
    const config = configIn(configMap["crossrole.yaml"] ?? "");
    expect(config.roles.get("orders-reader")?.base.provider).toMatchObject({
      kind: "webIdentity",
      roleArn: account?.metadata.annotations?.["eks.amazonaws.com/role-arn"],
    });
  });

  it("is native, starts the application when its role is there, and is found by one variable", () => {
    expect(template?.spec.initContainers).toHaveLength(1);
    expect(sidecar?.restartPolicy).toBe("Always");
    expect(sidecar?.startupProbe?.exec.command.join(" ")).toContain("http://127.0.0.1:9910/readyz");
    const [app] = template?.spec.containers ?? [];
    expect(app?.env?.map(({ name, value }) => `${name}=${value}`)).toContain(
      "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9911",
    );
  });

  it("is not restarted while STS is away, before it may have let go of a role that nobody asks for", async () => {
    const { failureThreshold = 0, periodSeconds = 0 } = sidecar?.startupProbe ?? {};
    // The shortest session that AWS gives: for so long crossrole tries again by itself.
    expect(failureThreshold * periodSeconds).toBe(900);
    const chart = path.join(DEPLOY, "helm/crossrole/templates/injection-sidecar.yaml");
    expect(await readFile(chart, "utf8")).toContain(`failureThreshold: ${failureThreshold}\n`);
  });

  it("may do no more than the chart's, and asks its probe in the same words", async () => {
    const chart = path.join(DEPLOY, "helm/crossrole/templates/injection-sidecar.yaml");
    const injected = await readFile(chart, "utf8");
    expect(sidecar?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
    for (const key of Object.keys(sidecar?.securityContext ?? {})) expect(injected).toContain(key);
    expect(injected).toContain(sidecar?.startupProbe?.exec.command.at(-1));
    expect(template?.spec.securityContext.fsGroup).toBe(65_532);
  });

  it("is of the version of the program", async () => {
    const file = path.join(DEPLOY, "..", "package.json");
    const { version } = JSON.parse(await readFile(file, "utf8")) as { version: string };
    expect(sidecar?.image).toBe(`crossrole:${version}`);
  });
});

describe.each([
  ["systemd", "crossrole.yaml"],
  ["compose", "crossrole/crossrole.yaml"],
])("the example of deploy/%s", (name, file) => {
  it("is a configuration that loads, at the address that is said beside it", async () => {
    const config = configIn(await readFile(path.join(DEPLOY, name, file), "utf8"));
    expect(config.listeners[0]?.address).toMatchObject({ host: "127.0.0.1", port: 9_911 });
    expect(config.operations).toMatchObject({ host: "127.0.0.1", port: 9_910 });
    const beside = name === "systemd" ? "crossrole.socket" : "compose.yaml";
    expect(await readFile(path.join(DEPLOY, name, beside), "utf8")).toContain("127.0.0.1:9911");
  });
});

it.each(["sidecar", "systemd", "compose", "aws"])(
  "the page of deploy/%s has links that lead somewhere",
  async (name) => {
    const page = await readFile(path.join(DEPLOY, name, "README.md"), "utf8");
    const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link ?? "");
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) await access(path.join(DEPLOY, name, link));
  },
);

describe("the roles of deploy/aws", () => {
  it("are those of the sidecar: who trusts whom, by which external id", async () => {
    const target: unknown = parse(
      await readFile(path.join(DEPLOY, "aws", "target.yaml"), "utf8"),
      // What CloudFormation adds to YAML.
      { customTags: [{ tag: "!Ref", resolve: (name: string) => `\${${name}}` }, GET_ATT] },
    );
    expect(target).toMatchObject({
      Resources: {
        TargetRole: {
          Properties: {
            AssumeRolePolicyDocument: {
              Statement: [
                {
                  Effect: "Allow",
                  Principal: { AWS: "${GatewayRoleArn}" },
                  Action: "sts:AssumeRole",
                  Condition: { StringEquals: { "sts:ExternalId": "${ExternalId}" } },
                },
              ],
            },
          },
        },
      },
    });
    const page = await readFile(path.join(DEPLOY, "aws", "README.md"), "utf8");
    const config = configIn(configMap["crossrole.yaml"] ?? "");
    const role = config.roles.get("orders-reader");
    for (const said of [`ExternalId=${role?.externalId}`, `TargetRoleArns=${role?.arn}`])
      expect(page).toContain(said);
  });

  it("trust, in the gateway's account, one service account of one issuer", async () => {
    const gateway = await readFile(path.join(DEPLOY, "aws", "gateway.yaml"), "utf8");
    const [, body = ""] = /AssumeRolePolicyDocument: !Sub \|\n((?: {8}.*\n)+)/.exec(gateway) ?? [];
    const values: Readonly<Record<string, string>> = {
      "AWS::Partition": "aws",
      "AWS::AccountId": "111111111111",
      OidcIssuer: "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
      Namespace: "orders",
      ServiceAccount: "reader",
    };
    const document = body.replaceAll(/\$\{([\w:]+)\}/g, (_, name: string) => values[name] ?? "");
    expect(JSON.parse(document)).toEqual({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: {
            Federated:
              "arn:aws:iam::111111111111:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
          },
          Action: "sts:AssumeRoleWithWebIdentity",
          Condition: {
            StringEquals: {
              "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:aud": "sts.amazonaws.com",
              "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub":
                "system:serviceaccount:orders:reader",
            },
          },
        },
      ],
    });
  });
});

const GET_ATT = { tag: "!GetAtt", resolve: (name: string) => name };
