import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { BaseProvider } from "../../src/credentials/types.ts";
import { loadBaseWith } from "../../src/sts/base-credentials.ts";
import {
  GATEWAY,
  NEXT_HOUR,
  SESSION,
  baseOf,
  expectNoSecretIn,
  failureOf,
  patience,
  startEdge,
  useCleanEnvironment,
} from "./support.ts";
import type { Edge } from "./support.ts";
import {
  containerCredentials,
  instanceMetadata,
  ssoPortal,
  startFakeService,
} from "../support/fake-credential-services.ts";
import { CANARY } from "../support/fake-sts.ts";
import type { FakeKey } from "../support/fake-sts.ts";

const home = useCleanEnvironment();

function load(edge: Edge, provider: BaseProvider, options = patience()) {
  const { callSts } = edge;
  return loadBaseWith({ callSts, environment: process.env })(baseOf(provider), options);
}

async function failure(edge: Edge, provider: BaseProvider) {
  const error = await failureOf(load(edge, provider));
  expect(error.code).toBe("ERR_BASE_UNAVAILABLE");
  expect(error.message).toContain('base "hub"');
  expectNoSecretIn(error);
  return error;
}

function writeFiles(files: { readonly credentials?: string; readonly config?: string }) {
  return Promise.all(
    Object.entries(files).map(([name, text]) => writeFile(path.join(home(), name), text)),
  );
}

function keyLines({ accessKeyId, secretAccessKey }: FakeKey): string {
  return `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
}

/** A profile of another region that assumes {@link GATEWAY} by the key of the profile ops. */
const CHAINED =
  `[profile hub]\nrole_arn = ${GATEWAY}\nsource_profile = ops\n` +
  "external_id = x\nregion = us-west-2\n";

function run(command: string) {
  return { kind: "process", command } as const;
}

function stubKey({ accessKeyId, secretAccessKey, sessionToken }: FakeKey): void {
  vi.stubEnv("AWS_ACCESS_KEY_ID", accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", secretAccessKey);
  vi.stubEnv("AWS_SESSION_TOKEN", sessionToken);
}

describe("an environment base", () => {
  it("is a long-lived key without a session token", async () => {
    await using edge = await startEdge();
    stubKey(edge.key);
    const credentials = await load(edge, { kind: "environment" });
    expect(credentials.accessKeyId).toBe(edge.key.accessKeyId);
    expect(credentials.secretAccessKey).toBe(edge.key.secretAccessKey);
    expect(credentials.sessionToken).toBeUndefined();
    expect(credentials.expiration).toBeUndefined();
  });

  it("carries a session token and an expiration when they are set", async () => {
    await using edge = await startEdge();
    stubKey(SESSION);
    vi.stubEnv("AWS_CREDENTIAL_EXPIRATION", NEXT_HOUR.toISOString());
    const credentials = await load(edge, { kind: "environment" });
    expect(credentials.sessionToken).toBe(SESSION.sessionToken);
    expect(credentials.expiration).toEqual(NEXT_HOUR);
  });

  it("says which variable is not set when it fails", async () => {
    await using edge = await startEdge();
    vi.stubEnv("AWS_ACCESS_KEY_ID", edge.key.accessKeyId);
    const { message } = await failure(edge, { kind: "environment" });
    expect(message).toContain("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not set");
  });
});

describe("a profile base", () => {
  const hub = { kind: "profile", profile: "hub" } as const;

  it("is the profile's key in the shared credentials file", async () => {
    await using edge = await startEdge();
    await writeFiles({ credentials: `[hub]\n${keyLines(edge.key)}` });
    expect((await load(edge, hub)).accessKeyId).toBe(edge.key.accessKeyId);
  });

  it("is read anew at each load", async () => {
    await using edge = await startEdge();
    const next = edge.sts.addKey();
    await writeFiles({ credentials: `[hub]\n${keyLines(edge.key)}` });
    await load(edge, hub);
    await writeFiles({ credentials: `[hub]\n${keyLines(next)}` });
    expect((await load(edge, hub)).accessKeyId).toBe(next.accessKeyId);
  });

  it("wins over keys in the environment", async () => {
    await using edge = await startEdge();
    stubKey(SESSION);
    await writeFiles({ credentials: `[hub]\n${keyLines(edge.key)}` });
    expect((await load(edge, hub)).accessKeyId).toBe(edge.key.accessKeyId);
  });

  it("with a role is assumed at the configured STS, in the region of the base", async () => {
    await using edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY, externalId: "x" });
    await writeFiles({ credentials: `[ops]\n${keyLines(edge.key)}`, config: CHAINED });
    const credentials = await load(edge, hub);
    expect(credentials.accessKeyId).toBe(edge.sts.issued[0]?.accessKeyId);
    expect(credentials.sessionToken).toBe(edge.sts.issued[0]?.sessionToken);
    expect(edge.sts.calls).toMatchObject([
      { accessKeyId: edge.key.accessKeyId, region: "eu-west-1", parameters: { ExternalId: "x" } },
    ]);
  });

  it("with a role is told why STS refused, after one call", async () => {
    await using edge = await startEdge();
    await writeFiles({ credentials: `[ops]\n${keyLines(edge.key)}`, config: CHAINED });
    const { message } = await failure(edge, hub);
    expect(message).toContain(`AccessDenied: User: ${edge.key.arn} is not authorized`);
    expect(edge.sts.calls).toHaveLength(1);
  });

  it.each([
    { kind: "unavailable" },
    { kind: "throttle" },
    { kind: "html" },
    { kind: "truncatedXml" },
    { kind: "noCredentials" },
    { kind: "emptyFields" },
  ] as const)("with a role fails, after one call, when STS does: $kind", async (fault) => {
    await using edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY });
    edge.sts.fault(fault);
    await writeFiles({ credentials: `[ops]\n${keyLines(edge.key)}`, config: CHAINED });
    await failure(edge, hub);
    expect(edge.sts.calls).toHaveLength(1);
  });

  it("with a role profits from the clock skew that is known", async () => {
    await using edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY });
    edge.sts.clockOffsetMs = 600_000;
    await writeFiles({ credentials: `[ops]\n${keyLines(edge.key)}`, config: CHAINED });
    const { expiration } = await load(edge, hub);
    const lifeMs = (expiration?.getTime() ?? 0) - Date.now();
    expect(Math.abs(lifeMs - 3_600_000)).toBeLessThan(60_000);
  });

  it("is what its credential process prints", async () => {
    await using edge = await startEdge();
    const output = JSON.stringify({
      Version: 1,
      AccessKeyId: edge.key.accessKeyId,
      SecretAccessKey: edge.key.secretAccessKey,
    });
    await writeFiles({ config: `[profile hub]\ncredential_process = echo '${output}'\n` });
    expect((await load(edge, hub)).accessKeyId).toBe(edge.key.accessKeyId);
  });

  it("with a failing credential process tells neither its command nor its output", async () => {
    await using edge = await startEdge();
    const command = `sh -c 'echo ${CANARY}; echo ${CANARY} >&2; exit 3'`;
    await writeFiles({ config: `[profile hub]\ncredential_process = ${command}\n` });
    expect((await failure(edge, hub)).message).toContain("the command failed");
  });

  it("names profile and files when there is no such profile", async () => {
    await using edge = await startEdge();
    const { message } = await failure(edge, hub);
    expect(message).toContain(`tried profile hub of ${home()}/credentials and ${home()}/config`);
  });
});

describe("an SSO profile base", () => {
  const sso = { kind: "profile", profile: "sso" } as const;
  const startUrl = "https://example.awsapps.com/start";
  const legacy =
    `[profile sso]\nsso_start_url = ${startUrl}\nsso_region = us-east-2\n` +
    "sso_account_id = 111111111111\nsso_role_name = ops\n";
  const modern =
    "[profile sso]\nsso_session = corp\nsso_account_id = 111111111111\nsso_role_name = ops\n" +
    `[sso-session corp]\nsso_start_url = ${startUrl}\nsso_region = us-east-2\n`;

  it.each([
    ["sso_start_url", legacy],
    ["sso_session", modern],
  ])("says how to log in when nobody has: %s", async (_, config) => {
    await using edge = await startEdge();
    await writeFiles({ config });
    const { message } = await failure(edge, sso);
    expect(message).toContain('for SSO run "aws sso login --profile sso"');
  });

  it.each([
    [startUrl, legacy],
    ["corp", modern],
  ])("is fetched from SSO, and not from the endpoint of STS: %s", async (session, config) => {
    await using edge = await startEdge();
    await using portal = await startFakeService(ssoPortal(SESSION, NEXT_HOUR));
    vi.stubEnv("AWS_ENDPOINT_URL_SSO", portal.url);
    const cache = path.join(home(), ".aws", "sso", "cache");
    await mkdir(cache, { recursive: true });
    const token = { accessToken: `${CANARY}/sso`, expiresAt: NEXT_HOUR.toISOString() };
    const name = createHash("sha1").update(session).digest("hex");
    await writeFile(path.join(cache, `${name}.json`), JSON.stringify(token));
    await writeFiles({ config });
    const credentials = await load(edge, sso);
    expect(credentials.accessKeyId).toBe(SESSION.accessKeyId);
    expect(credentials.expiration).toEqual(NEXT_HOUR);
    expect(edge.sts.calls).toEqual([]);
  });
});

describe("a default base", () => {
  it("is the key in the environment", async () => {
    await using edge = await startEdge();
    stubKey(edge.key);
    expect((await load(edge, { kind: "default" })).accessKeyId).toBe(edge.key.accessKeyId);
  });

  it("is the profile of AWS_PROFILE, silently, even with a key in the environment", async () => {
    await using edge = await startEdge();
    const warn = vi.spyOn(console, "warn");
    stubKey(SESSION);
    vi.stubEnv("AWS_PROFILE", "hub");
    await writeFiles({ credentials: `[hub]\n${keyLines(edge.key)}` });
    expect((await load(edge, { kind: "default" })).accessKeyId).toBe(edge.key.accessKeyId);
    expect(warn).not.toHaveBeenCalled();
  });

  it("is a web identity at the configured STS, whose token is read anew at each load", async () => {
    await using edge = await startEdge();
    edge.sts.addRole({ arn: GATEWAY, webIdentity: () => true });
    const tokenFile = path.join(home(), "token");
    vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", tokenFile);
    vi.stubEnv("AWS_ROLE_ARN", GATEWAY);
    for (const token of ["first", "second"]) {
      await writeFile(tokenFile, token);
      await load(edge, { kind: "default" });
    }
    const tokens = edge.sts.calls.map(({ parameters }) => parameters["WebIdentityToken"]);
    expect(tokens).toEqual(["first", "second"]);
  });

  it("is the instance's role when there is nothing else", async () => {
    await using edge = await startEdge();
    await using imds = await startFakeService(instanceMetadata(SESSION, NEXT_HOUR));
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url);
    const credentials = await load(edge, { kind: "default" });
    expect(credentials.accessKeyId).toBe(SESSION.accessKeyId);
    expect(credentials.expiration).toEqual(NEXT_HOUR);
  });

  it("says all that was tried when there is nothing at all", async () => {
    await using edge = await startEdge();
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
    const { message } = await failure(edge, { kind: "default" });
    expect(message).toContain("the environment (AWS_ACCESS_KEY_ID is not set)");
    expect(message).toContain(`profile default of ${home()}/credentials and ${home()}/config`);
    expect(message).toContain("web identity (AWS_WEB_IDENTITY_TOKEN_FILE is not set)");
    expect(message).toContain("AWS_CONTAINER_CREDENTIALS_FULL_URI is not set");
    expect(message).toContain("instance metadata");
  });

  it("says how to log in when AWS_PROFILE is an SSO profile", async () => {
    await using edge = await startEdge();
    vi.stubEnv("AWS_PROFILE", "dev");
    await writeFiles({
      config:
        "[profile dev]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-2\n" +
        "sso_account_id = 111111111111\nsso_role_name = ops\n",
    });
    const { message } = await failure(edge, { kind: "default" });
    expect(message).toContain('"aws sso login --profile dev"');
  });
});

describe("a container base", () => {
  const container = { kind: "container" } as const;
  const token = `${CANARY}-authorization`;

  it("is asked for with the token of the file, which is read anew at each load", async () => {
    await using edge = await startEdge();
    await using service = await startFakeService(containerCredentials(SESSION, NEXT_HOUR, "one"));
    const tokenFile = path.join(home(), "token");
    vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", `${service.url}/v1/credentials`);
    vi.stubEnv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", tokenFile);
    await writeFile(tokenFile, "one");
    const credentials = await load(edge, container);
    service.answer = containerCredentials(SESSION, NEXT_HOUR, "two");
    await writeFile(tokenFile, "two");
    await load(edge, container);
    expect(credentials.sessionToken).toBe(SESSION.sessionToken);
    expect(credentials.expiration).toEqual(NEXT_HOUR);
    expect(service.requests).toEqual([
      { line: "GET /v1/credentials", authorization: "one" },
      { line: "GET /v1/credentials", authorization: "two" },
    ]);
  });

  it.each([
    ["refuses", () => ({ status: 403, body: `{"Message":"${CANARY}"}` }), "403"],
    ["answers what is not JSON", () => ({ body: `${CANARY} ${CANARY}` }), "not JSON"],
    ["answers broken JSON", () => ({ body: `{"SecretAccessKey":"${CANARY}"` }), "not JSON"],
    ["lacks a field", () => ({ body: `{"SecretAccessKey":"${CANARY}"}` }), "format"],
  ] as const)("fails without a secret in the error when the service %s", async (_, answer, why) => {
    await using edge = await startEdge();
    await using service = await startFakeService(answer);
    vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.url);
    vi.stubEnv("AWS_CONTAINER_AUTHORIZATION_TOKEN", token);
    const { message } = await failure(edge, container);
    expect(message).toContain(why);
    expect(message).toContain("AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
  });

  it("says which variables are not set when it is in no container", async () => {
    await using edge = await startEdge();
    const { message } = await failure(edge, container);
    expect(message).toContain(
      "tried AWS_CONTAINER_CREDENTIALS_FULL_URI is not set, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set",
    );
  });
});

describe("an instance base", () => {
  const instance = { kind: "instance" } as const;

  it("is the instance's role, asked for with a metadata token", async () => {
    await using edge = await startEdge();
    await using imds = await startFakeService(instanceMetadata(SESSION, NEXT_HOUR));
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url);
    const credentials = await load(edge, instance);
    expect(credentials.accessKeyId).toBe(SESSION.accessKeyId);
    expect(credentials.sessionToken).toBe(SESSION.sessionToken);
    expect(credentials.expiration).toEqual(NEXT_HOUR);
    expect(imds.requests[0]?.line).toBe("PUT /latest/api/token");
  });

  it("writes nothing on the console when the service hands out expired credentials", async () => {
    await using edge = await startEdge();
    const warn = vi.spyOn(console, "warn");
    await using imds = await startFakeService(instanceMetadata(SESSION, new Date(1_000)));
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url);
    await load(edge, instance);
    expect(warn).not.toHaveBeenCalled();
  });

  it.each([
    ["has no role", () => ({ status: 404, body: CANARY })],
    ["answers what is not JSON", () => ({ body: CANARY })],
  ])("names the service when it %s", async (_, answer) => {
    await using edge = await startEdge();
    await using imds = await startFakeService(answer);
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url);
    const { message } = await failure(edge, instance);
    expect(message).toContain(`tried the instance metadata service at ${imds.url}`);
  });
});

describe("a process base", () => {
  it("is what the command prints", async () => {
    await using edge = await startEdge();
    const output = JSON.stringify({
      Version: 1,
      AccessKeyId: SESSION.accessKeyId,
      SecretAccessKey: SESSION.secretAccessKey,
      SessionToken: SESSION.sessionToken,
      Expiration: NEXT_HOUR.toISOString(),
    });
    const credentials = await load(edge, run(`echo '${output}'`));
    expect(credentials.secretAccessKey).toBe(SESSION.secretAccessKey);
    expect(credentials.sessionToken).toBe(SESSION.sessionToken);
    expect(credentials.expiration).toEqual(NEXT_HOUR);
  });

  it.each([
    ["prints what is not a JSON object", `echo ${CANARY}`, "its output is not a JSON object"],
    ["prints no key", `echo '{"Version":1,"SessionToken":"${CANARY}"}'`, "no AccessKeyId"],
    ["fails", `echo ${CANARY}; echo ${CANARY} >&2; exit 3`, "it failed with exit code 3"],
    ["is not there", "/nonexistent/program", "it failed with exit code 127"],
    ["is killed", "kill -9 $$", "it was ended by SIGKILL"],
  ])("tells how it failed, and nothing of what was said, when it %s", async (_, command, why) => {
    await using edge = await startEdge();
    expect((await failure(edge, run(command))).message).toContain(why);
  });

  it.each([
    [`vault-aws --token ${CANARY}`, "vault-aws"],
    [`VAULT_TOKEN=${CANARY} vault-aws hub`, "vault-aws"],
  ])("names the program and no more of the command", async (command, program) => {
    await using edge = await startEdge();
    const { message } = await failure(edge, run(command));
    expect(message).toMatch(new RegExp(`tried the command ${program}$`));
  });

  it("is ended by the signal", async () => {
    await using edge = await startEdge();
    const signal = AbortSignal.timeout(50);
    const error = await failureOf(load(edge, run("exec sleep 60"), { signal }));
    expect(error.message).toContain("it was given up");
  });
});
