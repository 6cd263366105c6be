import { mkdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Daemon } from "../../src/daemon.ts";
import type { ClientReport, SdkReport } from "../../src/explain/client/client-report.ts";
import { configOf, start } from "../support/daemon.ts";
import { instanceMetadata, startFakeService } from "../support/fake-credential-services.ts";
import type { FakeService } from "../support/fake-credential-services.ts";
import { CANARY } from "../support/fake-sts.ts";
import { READER, crossrole, startMachine } from "../support/program.ts";
import type { Ended, Machine } from "../support/program.ts";

const ALL = [
  "boto3",
  "cli",
  "go-v2",
  "java-v2",
  "java-v1",
  "js-v3",
  "js-v2",
  "rust",
  "ruby",
  "php",
  "dotnet",
  "cpp",
];
/** Those that keep the path of the endpoint. */
const KEEPING = ALL.filter((name) => !["go-v2", "js-v3", "ruby"].includes(name));

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

let machine: Machine;
let daemon: Daemon;
let other: FakeService;
/** Of the listener with one role, and of the one with two. */
let one: string;
let two: string;
let tokenFile: string;
/** What is in it. */
let roleToken: string;

beforeAll(async () => {
  machine = await startMachine();
  vi.stubEnv("AWS_ACCESS_KEY_ID", machine.key.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", machine.key.secretAccessKey);
  vi.stubEnv("AWS_SESSION_TOKEN", undefined);
  other = await startFakeService(instanceMetadata(machine.key, new Date(Date.now() + 3_600_000)));
  tokenFile = `${machine.directory}/reader.token`;
  const started = await start(
    configOf(`
region: eu-west-1
sts: { endpoint: "${machine.sts.url}" }
bases: { keys: { environment: true } }
roles:
  reader: { arn: "${READER}", base: keys, authorizationToken: { file: "${tokenFile}" } }
  writer: { arn: "${READER}", base: keys }
listeners:
  - { address: "127.0.0.1:0", role: reader }
  - { address: "127.0.0.1:0", roles: [reader, writer] }
`),
  );
  ({ daemon } = started);
  one = started.url;
  two = String(daemon.served.at(-1)?.url);
  roleToken = await readFile(tokenFile, "utf8");
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await daemon.close();
  await other[Symbol.asyncDispose]();
  await machine[Symbol.asyncDispose]();
});

type Variables = Readonly<Record<string, string>>;

/** An application's environment: nothing of a machine's but a home directory. */
async function check(variables: Variables, ...args: readonly string[]): Promise<Ended> {
  const { PATH, HOME } = machine.bareEnv;
  const env = { PATH, HOME, AWS_EC2_METADATA_V1_DISABLED: "true", ...variables };
  const ended = await crossrole(["check", "--client", ...args], { env, cwd: machine.directory });
  const output = `${ended.stdout}${ended.stderr}`;
  expect(output).not.toContain(CANARY);
  expect(output).not.toContain(roleToken);
  return ended;
}

async function look(variables: Variables, ...args: readonly string[]) {
  const { code, stdout } = await check(variables, ...args, "--json");
  const report = JSON.parse(stdout) as ClientReport;
  const getting = (gets: SdkReport["gets"]) =>
    report.sdks.filter((sdk) => sdk.gets === gets).map(({ sdk }) => sdk);
  return { ...report, code, getting };
}

const endpoint = (url: string) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: url });
const keys = { AWS_ACCESS_KEY_ID: "AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY: `${CANARY}/key` };

describe.concurrent("crossrole check --client", () => {
  it("finds nothing in the way where there is nothing, and that crossrole answers", async () => {
    const report = await look(endpoint(one));

    expect(report).toMatchObject({ ok: true, code: 0, way: "metadata" });
    expect(report.endpoint.answer).toEqual({ kind: "crossrole", role: "reader" });
    expect(report.getting("crossrole")).toEqual(ALL);
    expect(report.sdks.flatMap(({ findings }) => findings)).toEqual([]);
  });

  it("finds nothing in the way inside crossrole exec, by either protocol", async () => {
    for (const protocol of ["imds", "container"]) {
      const child = [process.execPath, MAIN, "check", "--client", "--json"];
      const args = ["exec", "--protocol", protocol, ...machine.role, "--", ...child];
      const { code, stdout } = await crossrole(args, { env: machine.env });

      expect(JSON.parse(stdout)).toMatchObject({ ok: true });
      expect(code).toBe(0);
    }
  });

  it("finds keys of the AWS files inside crossrole exec only with --keep-aws-files", async () => {
    await mkdir(`${machine.directory}/user/.aws`, { recursive: true });
    const profile = `aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = ${CANARY}\n`;
    await machine.write("user/.aws/credentials", `[default]\n${profile}`);
    await machine.write("user/.boto", `[Credentials]\n${profile}`);
    const env = { ...machine.env, HOME: `${machine.directory}/user` };
    const inside = async (...flags: readonly string[]) => {
      const child = [process.execPath, MAIN, "check", "--client", "--json"];
      const args = ["exec", ...flags, ...machine.role, "--", ...child];
      const { sdks } = JSON.parse((await crossrole(args, { env })).stdout) as ClientReport;
      return sdks.filter(({ gets }) => gets !== "crossrole").map(({ sdk }) => sdk);
    };

    expect(await inside()).toEqual([]);
    expect(await inside("--keep-aws-files")).toEqual(ALL);
  });

  it("names the keys that win, for every SDK or for one, and never their values", async () => {
    const all = await look({ ...endpoint(one), ...keys });
    const single = await look({ ...endpoint(one), ...keys }, "boto3");

    expect(all).toMatchObject({ ok: false, code: 1 });
    expect(all.getting("other")).toEqual(ALL);
    expect(single.sdks).toEqual([
      {
        sdk: "boto3",
        gets: "other",
        findings: [
          {
            level: "error",
            code: "environment-keys",
            what: "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
            message: "keys in variables come before everything else",
            fix: "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY",
          },
        ],
      },
    ]);
  });

  it("says what wins first in the order of each chain", async () => {
    await machine.write(
      "keys",
      `[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = ${CANARY}\n`,
    );
    const report = await look({
      ...endpoint(one),
      AWS_WEB_IDENTITY_TOKEN_FILE: "/token",
      AWS_ROLE_ARN: READER,
      AWS_SHARED_CREDENTIALS_FILE: `${machine.directory}/keys`,
      AWS_SDK_LOAD_CONFIG: "1",
    });
    const first = Map.groupBy(report.sdks, ({ findings }) => findings[0]?.code);
    const names = (code: "profile" | "web-identity") => first.get(code)?.map(({ sdk }) => sdk);

    expect(names("profile")).toEqual(["js-v3", "js-v2", "rust", "cpp"]);
    // Java v1 does not look at that file; for the others the token comes first.
    expect(names("web-identity")).toEqual([
      "boto3",
      "cli",
      "go-v2",
      "java-v2",
      "java-v1",
      "ruby",
      "php",
      "dotnet",
    ]);
  });

  it("tells who answers at the endpoint when it is not crossrole", async () => {
    const report = await look(endpoint(other.url));

    expect(report.code).toBe(1);
    expect(report.endpoint.answer.kind).toBe("other");
    expect(report.getting("other")).toEqual(ALL);
  });

  it("tells when nobody answers at the endpoint", async () => {
    const report = await look(endpoint("http://127.0.0.1:9"));

    expect(report.endpoint.answer).toMatchObject({ kind: "silent" });
    expect(report.getting("nothing")).toEqual(ALL);
  });

  it("asks nobody when no variable says where", async () => {
    const report = await look({});

    expect(report).toMatchObject({ ok: true, code: 0 });
    expect(report.endpoint).toEqual({
      variable: undefined,
      url: "http://169.254.169.254",
      answer: { kind: "unasked" },
    });
    expect(report.getting("unproven")).toEqual(ALL);
  });

  it("knows which SDKs drop the path that names a role", async () => {
    const report = await look(endpoint(`${two}/roles/writer`));

    expect(report.code).toBe(1);
    expect(report.endpoint.answer).toEqual({ kind: "crossrole", role: "writer" });
    expect(report.getting("crossrole")).toEqual(KEEPING);
    expect(report.getting("nothing")).toEqual(["go-v2", "js-v3", "ruby"]);
  });

  it("takes container credentials for the way where they are crossrole's", async () => {
    const report = await look({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${two}/container/reader`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: roleToken,
    });

    expect(report).toMatchObject({ ok: true, way: "container" });
    expect(report.endpoint.answer).toEqual({ kind: "crossrole", role: READER });
  });

  it("says that the token of container credentials is missing, wrong, or ends in a newline", async () => {
    const uri = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${two}/container/reader` };
    const file = await machine.write("role-token", `${roleToken}\n`);
    const missing = await look(uri);
    const wrong = await look({ ...uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: "wrong" });
    const newline = await look({ ...uri, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file });

    expect(missing.getting("nothing")).toEqual(ALL);
    expect(wrong.getting("nothing")).toEqual(ALL);
    expect(newline.getting("nothing")).toEqual(["boto3", "cli", "js-v3", "js-v2"]);
  });

  it("says that other container credentials win, and shows no more of them than their host", async () => {
    const report = await look({
      ...endpoint(one),
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${other.url}/v2/credentials/${CANARY}`,
    });

    expect(report.getting("other")).toEqual(ALL);
    expect(report.endpoint.url).toBe(other.url);
  });

  it("prints for people what several SDKs have in common once", async () => {
    const { code, stdout } = await check({ ...endpoint(one), AWS_EC2_METADATA_DISABLED: "TRUE" });

    expect(code).toBe(1);
    expect(stdout).toContain("crossrole answers, with reader");
    expect(stdout.match(/keeps the SDK from asking/g)).toHaveLength(1);
    expect(stdout).toContain("to do: unset AWS_EC2_METADATA_DISABLED");
  });
});
