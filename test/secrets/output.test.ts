import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { containerCredentials, startFakeService } from "../support/fake-credential-services.ts";
import type { FakeService } from "../support/fake-credential-services.ts";
import { CANARY, startFakeSts } from "../support/fake-sts.ts";
import type { FakeKey, FakeSts, FaultKind } from "../support/fake-sts.ts";
import { request, sendRaw, tokenFrom } from "../support/http.ts";
import { memoryDirectory } from "../support/memory.ts";
import type { MemoryDirectory } from "../support/memory.ts";
import { GATEWAY, READER, eventually } from "../support/program.ts";
import { Run, leakIn, makeHome } from "./support.ts";
import type { Home } from "./support.ts";
import { freePort } from "../support/free-port.ts";

// Programs start in their own time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const ROLES = "/latest/meta-data/iam/security-credentials/";
const TOKEN = "X-aws-ec2-metadata-token";
const WORKLOAD = "arn:aws:iam::111111111111:role/workload";
const WEB_TOKEN = `${CANARY}.web-identity.token`;
const SERVICE_TOKEN = `${CANARY}-container-service-token`;
const ROLE_TOKEN = `${CANARY}-authorization-token-of-a-role`;
const EXTERNAL_ID = `${CANARY}-external-id`;

/** Each is what STS does to a role of its own, which is asked for at the start. */
const FAULTS: readonly FaultKind[] = [
  { kind: "reset" },
  { kind: "cut" },
  { kind: "throttle" },
  { kind: "accessDenied" },
  { kind: "unavailable", status: 500 },
  { kind: "truncatedXml" },
  { kind: "html" },
  { kind: "noCredentials" },
  { kind: "emptyFields" },
  { kind: "emptyFields", fields: ["AccessKeyId"] },
  { kind: "emptyFields", fields: ["SecretAccessKey"] },
  { kind: "emptyFields", fields: ["SessionToken"] },
  { kind: "emptyFields", fields: ["Expiration"] },
  { kind: "pastExpiration" },
  { kind: "redirect" },
  { kind: "error", status: 403, code: "ExpiredToken", message: "expired" },
  { kind: "error", status: 400, code: "MalformedPolicyDocument", message: "malformed" },
];

/** Bases that fail, each with a secret at hand that could slip into the reason. */
const BROKEN_BASES = {
  "fails-with-words": {
    process: `echo '${CANARY}/out'; echo '${CANARY}/err' >&2; exit 3 '${CANARY}/argument'`,
  },
  "prints-no-json": {
    process: `SECRET='${CANARY}/variable' printf '{"SecretAccessKey":"${CANARY}'`,
  },
  "prints-too-little": { process: `echo '{"Version":1,"SecretAccessKey":"${CANARY}"}'` },
  "prints-nonsense": {
    process: `echo '{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"${CANARY}\\n"}'`,
  },
  "no-such-profile": { profile: "nowhere" },
  "half-a-profile": { profile: "half" },
  "refused-token": { webIdentity: { tokenFile: "refused-token", roleArn: `${WORKLOAD}-refused` } },
  "quoted-token": { webIdentity: { tokenFile: "quoted-token", roleArn: `${WORKLOAD}-quoted` } },
} as const;

const KEYS = "metadata-token-keys.json";

let home: Home;
let memory: MemoryDirectory;
let sts: FakeSts;
let service: FakeService;
let key: FakeKey;

beforeEach(async () => {
  home = await makeHome();
  memory = await memoryDirectory();
  sts = await startFakeSts();
  key = sts.addKey({ sessionToken: `${CANARY}/base-token` });
  const tomorrow = new Date(Date.now() + 86_400_000);
  service = await startFakeService(containerCredentials(key, tomorrow, SERVICE_TOKEN));
  sts.addRole({ arn: GATEWAY });
  sts.addRole({ arn: READER, trusts: [GATEWAY], externalId: EXTERNAL_ID });
  sts.addRole({ arn: WORKLOAD, webIdentity: (token) => token === WEB_TOKEN });
  sts.fault({
    kind: "error",
    status: 400,
    code: "InvalidIdentityToken",
    message: `The token ${WEB_TOKEN} is not one of ours`,
    roleArn: `${WORKLOAD}-quoted`,
  });
  for (const name of ["web-token", "refused-token", "quoted-token"])
    await home.write(name, WEB_TOKEN);
  await home.write("credentials.json", {
    Version: 1,
    AccessKeyId: key.accessKeyId,
    SecretAccessKey: key.secretAccessKey,
    SessionToken: key.sessionToken,
  });
  await home.write(
    ".aws/credentials",
    [
      "[hub]",
      `aws_access_key_id = ${key.accessKeyId}`,
      `aws_secret_access_key = ${key.secretAccessKey}`,
      `aws_session_token = ${key.sessionToken}`,
      "[half]",
      `aws_secret_access_key = ${CANARY}/half`,
    ].join("\n"),
  );
});

afterEach(async () => {
  await service[Symbol.asyncDispose]();
  await sts.close();
  await home[Symbol.asyncDispose]();
  await memory[Symbol.asyncDispose]();
});

function roleArn(name: string): string {
  const arn = `arn:aws:iam::222222222222:role/${name}`;
  sts.addRole({ arn });
  return arn;
}

/** Every base there is, a role for each, and a role for each fault. */
async function everything(operations: string) {
  const bases = {
    environment: { environment: true },
    file: { profile: "hub" },
    task: { container: true },
    shell: { process: "cat credentials.json" },
    web: { webIdentity: { tokenFile: "web-token", roleArn: WORKLOAD } },
  };
  const good = Object.keys(bases).map(
    (base) => [`by-${base}`, { arn: roleArn(base), base }] as const,
  );
  const broken = Object.keys(BROKEN_BASES).map(
    (base) => [base, { arn: roleArn(base), base }] as const,
  );
  const faulty = FAULTS.map((fault, index) => {
    const arn = roleArn(`fault-${index}`);
    sts.fault({ ...fault, roleArn: arn });
    return [`fault-${index}`, { arn, base: "environment", via: [GATEWAY] }] as const;
  });
  const reader = {
    arn: READER,
    base: "environment",
    via: [GATEWAY],
    externalId: EXTERNAL_ID,
    authorizationToken: { environment: "ROLE_TOKEN" },
  };
  const filed = {
    arn: roleArn("filed"),
    base: "file",
    authorizationToken: { file: "filed.token" },
  };
  const roles = { reader, filed, ...Object.fromEntries([...good, ...broken, ...faulty]) };
  return {
    failing: [...broken, ...faulty].map(([, { arn }]) => arn),
    succeeding: [READER, filed.arn, ...good.map(([, { arn }]) => arn)],
    config: {
      sts: { endpoint: sts.url, callsPerSecond: 1000, burst: 1000 },
      bases: { ...bases, ...BROKEN_BASES },
      roles,
      listeners: [
        { address: "127.0.0.1:0", role: "reader" },
        { address: "127.0.0.1:0", roles: Object.keys(roles) },
      ],
      operations: { address: new URL(operations).host },
      state: { directory: memory.path },
    },
  };
}

/** What clients of every kind do, in the right way and in wrong ones. @returns every secret they saw. */
async function askInEveryWay(urls: { single: string; several: string }): Promise<string[]> {
  const { single, several } = urls;
  const token = await tokenFrom(single);
  const tokenOfRole = await tokenOf(several, "reader");
  const authorization = await readFile(join(home.path, "filed.token"), "utf8");
  const credentials = `${ROLES}reader`;
  const served = [
    await get(single, credentials, { [TOKEN]: token }),
    await get(several, `/roles/reader${credentials}`, { [TOKEN]: tokenOfRole }),
    await get(several, "/container/reader", { authorization: ROLE_TOKEN }),
    await get(several, "/container/filed", { authorization }),
  ];
  const refused = [
    await get(several, `/roles/reader${credentials}`, { [TOKEN]: token }),
    await get(several, credentials, { [TOKEN]: tokenOfRole }),
    await get(single, credentials, { [TOKEN]: `${CANARY}/forged` }),
    await get(single, credentials, {}),
    await get(single, `${ROLES}another`, { [TOKEN]: token }),
    await get(single, credentials, { [TOKEN]: token, host: "example.com" }),
    await get(single, credentials, { [TOKEN]: token, cookie: `${CANARY}/cookie` }),
    await get(several, "/container/reader", { authorization: `${CANARY}/wrong` }),
    await get(several, "/container/reader", { authorization }),
    await get(several, "/container/fault-3", { authorization: ROLE_TOKEN }),
  ];
  const raw = [
    `GET ${credentials} HTTP/1.1\r\nHost: localhost\r\n${TOKEN}: ${token}\r\nContent-Length: 6\r\n\r\n${CANARY}`,
    `GET ${credentials} HTTP/1.1\r\nHost: localhost\r\n${TOKEN} : ${token}\r\n\r\n`,
    `${CANARY}\r\n\r\n`,
  ].map((bytes) => sendRaw({ port: Number(new URL(single).port) }, bytes));

  for (const { status, body } of served) expect([status, body]).toEqual([200, contains(CANARY)]);
  for (const { status, body } of refused) {
    expect(status).toBeGreaterThan(399);
    expect(leakIn(body)).toBe(undefined);
  }
  for (const { text } of await Promise.all(raw)) expect(text).not.toContain(CANARY);
  return [token, tokenOfRole, authorization];
}

async function get(url: string, target: string, headers: Record<string, string>) {
  return await request(url, target, { headers });
}

async function tokenOf(url: string, role: string): Promise<string> {
  const { body } = await request(url, `/roles/${role}/latest/api/token`, {
    method: "PUT",
    headers: { "X-aws-ec2-metadata-token-ttl-seconds": "21600" },
  });
  return body;
}

function contains(text: string): unknown {
  return expect.stringContaining(text);
}

describe.each(["debug", "info", "warn", "error"])("at log level %s", (level) => {
  it("no secret is in output, metrics or files, whatever clients, bases and STS do", async () => {
    const operations = `http://127.0.0.1:${await freePort()}`;
    const { config, failing, succeeding } = await everything(operations);
    const file = await home.write("crossrole.json", config);
    await using run = await Run.start({
      home,
      args: ["serve", "--config", file, "--log-level", level],
      env: {
        AWS_ACCESS_KEY_ID: key.accessKeyId,
        AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
        AWS_SESSION_TOKEN: key.sessionToken ?? "",
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/credentials`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: SERVICE_TOKEN,
        ROLE_TOKEN,
      },
    });
    const [single = "", several = ""] = await run.urls(1 + succeeding.length + failing.length);
    const metrics = () => request(operations, "/metrics").then(({ body }) => body);
    await eventually(async () => {
      const text = await metrics();
      for (const arn of succeeding) expect(text).toContain(`{source="${arn}",outcome="ok"}`);
      for (const arn of failing) expect(text).toMatch(`{source="${arn}",outcome="ERR_`);
    }, 60_000);

    const secrets = await askInEveryWay({ single, several });
    run.child.kill("SIGHUP");
    await eventually(async () => expect(await metrics()).toContain('outcome="ok"} 2'), 30_000);
    await home.write("crossrole.json", `roles: { reader: { secretAccessKey: ${CANARY}/pasted } }`);
    run.child.kill("SIGHUP");
    await eventually(async () => expect(await metrics()).toContain('outcome="refused"} 1'), 30_000);
    const seen = [await metrics(), (await request(operations, "/healthz")).body];
    run.child.kill("SIGTERM");
    const { code } = await run.ended();
    const written = await run.written();

    expect(code).toBe(0);
    expect(run.stderr).toContain("configuration not taken over");
    for (const text of [...seen, run.stdout, run.stderr]) {
      expect(leakIn(text, secrets)).toBe(undefined);
    }
    // For clients to read, and for nobody else.
    expect([...written.keys()].toSorted()).toEqual(["crossrole.json", "filed.token"]);
    // For the daemon's next run: sessions are kept in memory, and for nobody else either.
    expect((await readdir(memory.path)).toSorted()).toEqual([KEYS, "sessions"]);
    const keys = await readFile(join(memory.path, KEYS), "utf8");
    expect(leakIn(keys, secrets)).toBe(undefined);
    expect(Object.keys(JSON.parse(keys) as object)).toEqual(["current", "since"]);
    const files = await readdir(memory.path, { recursive: true, withFileTypes: true });
    for (const one of files) {
      const { mode } = await stat(join(one.parentPath, one.name));
      expect([one.name, mode & 0o777]).toEqual([one.name, one.isDirectory() ? 0o700 : 0o600]);
    }
  });
});
