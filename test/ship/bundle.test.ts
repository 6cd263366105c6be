/** What the package and the image run is the bundle, so this suite runs nothing else. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import {
  chmod,
  cp,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  containerCredentials,
  instanceMetadata,
  ssoPortal,
  startFakeService,
} from "../support/fake-credential-services.ts";
import type { FakeKey } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";
import { crossrole, GATEWAY, node, READER, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";
import { BUNDLE, ROOT, run, start } from "./bundled.ts";

const CREDENTIALS = "/latest/meta-data/iam/security-credentials/orders-reader";
const NEXT_HOUR = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 3_600_000);

/** A session's key: what instances, containers and SSO hand out. */
const SESSION: FakeKey = {
  accessKeyId: "ASIA999999999EXAMPLE",
  secretAccessKey: "CANARY/session-secret",
  sessionToken: "CANARY/session-token",
  arn: "arn:aws:sts::111111111111:assumed-role/base/session",
};

/** The access key id that a running daemon answers with. */
async function keyFrom(url: string): Promise<unknown> {
  const headers = { "X-aws-ec2-metadata-token": await tokenFrom(url) };
  const { status, body } = await request(url, CREDENTIALS, { headers });
  expect(status).toBe(200);
  return (JSON.parse(body) as { AccessKeyId: string }).AccessKeyId;
}

function urlIn(stdout: string): string {
  return /http:\/\/127\.0\.0\.1:\d+/.exec(stdout)?.[0] ?? "";
}

describe("the bundle", () => {
  it("says the version of the package", async () => {
    const text = await readFile(path.join(ROOT, "package.json"), "utf8");
    const { version } = JSON.parse(text) as { version: string };
    expect(await run(["--version"])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each([
    [],
    ["serve"],
    ["exec"],
    ["check"],
    ["policy"],
    ["status"],
    ["credential-process"],
    ["demo"],
    ["schema"],
    ["node", "install"],
    ["node", "verify"],
    ["node", "uninstall"],
  ])("has the help of the sources: %s %s", async (...command) => {
    const args = [...command, "--help"];
    const [bundled, sources] = await Promise.all([run(args), crossrole(args)]);
    expect(bundled).toMatchObject({ code: 0, stdout: sources.stdout, stderr: "" });
  });

  it("prints the schema of the sources", async () => {
    const [bundled, sources] = await Promise.all([run(["schema"]), crossrole(["schema"])]);
    expect(bundled).toMatchObject({ code: 0, stdout: sources.stdout });
  });

  it("serves until SIGTERM, with operations", async () => {
    await using machine = await startMachine();
    await using state = await mkdtempDisposable("/dev/shm/crossrole-");
    const config = await machine.write("crossrole.yaml", {
      region: "eu-west-1",
      sts: { endpoint: machine.sts.url },
      roles: { "orders-reader": { arn: READER } },
      listeners: [{ address: "127.0.0.1:0", role: "orders-reader" }],
      operations: { address: "127.0.0.1:0" },
      state: { directory: state.path },
    });
    await using program = start(["serve", "--config", config], machine);
    await program.printed("AWS_EC2_METADATA_SERVICE_ENDPOINT=");
    expect(await keyFrom(urlIn(program.stdout))).toBe(machine.sts.issued[0]?.accessKeyId);
    program.signal("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
    expect(program.stderr).toContain('"stopping"');
  });

  it.each(["imds", "container"])("runs a command that is served by %s", async (protocol) => {
    await using machine = await startMachine();
    const args = ["exec", ...machine.role, "--protocol", protocol, "--"];
    const command = node("console.log(Object.keys(process.env).join())");
    const { code, stdout } = await run([...args, ...command], machine);
    expect(code).toBe(0);
    expect(stdout).toContain(protocol === "imds" ? "METADATA_SERVICE_ENDPOINT" : "FULL_URI");
    expect(stdout).not.toContain("AWS_ACCESS_KEY_ID");
  });

  it("passes on the reason when STS refuses, and ends with 1", async () => {
    await using machine = await startMachine();
    machine.sts.addRole({ arn: READER, trusts: ["arn:aws:iam::999999999999:root"] });
    const { code, errors } = await run(["exec", ...machine.role, "--", "true"], machine);
    expect(code).toBe(1);
    expect(errors).toEqual([expect.stringContaining("is not authorized to perform")]);
  });

  it("shows the whole demo", async () => {
    await using machine = await startMachine();
    const ended = await run(["demo"], { env: machine.bareEnv, longestMs: 120_000 });
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toContain("The app has noticed nothing of all this.");
  });

  it("reads a long table of sockets on a thread of its own", async () => {
    await using machine = await startMachine();
    await using program = start(
      ["serve", ...machine.role, "--listen", "127.0.0.1:0", "--region", "eu-west-1"],
      machine,
    );
    await program.printed("AWS_EC2_METADATA_SERVICE_ENDPOINT=");
    await using _sockets = await openSockets(400);
    expect(await keyFrom(urlIn(program.stdout))).toBe(machine.sts.issued[0]?.accessKeyId);
  });
});

describe("what signs the first call, from the bundle:", () => {
  const cases: Readonly<Record<string, (machine: Machine) => Promise<Scene>>> = {
    "a key of the environment": async ({ env, key }) => ({ env, signer: key.accessKeyId }),
    "a profile's key": async (machine) => {
      await aws(machine, "credentials", `[hub]\n${keyLines(machine.key)}`);
      return { env: machine.bareEnv, base: { profile: "hub" }, signer: machine.key.accessKeyId };
    },
    "a profile that assumes a role": async (machine) => {
      const { sts, key } = machine;
      sts.addRole({ arn: GATEWAY });
      await aws(machine, "credentials", `[ops]\n${keyLines(key)}`);
      await aws(
        machine,
        "config",
        `[profile hub]\nrole_arn = ${GATEWAY}\nsource_profile = ops\nregion = eu-west-1\n`,
      );
      return { env: machine.bareEnv, base: { profile: "hub" }, signer: key.accessKeyId };
    },
    "a profile's process": async (machine) => {
      const text = JSON.stringify(processOutput(machine.key));
      const file = await machine.write("key.json", text);
      await aws(machine, "config", `[profile hub]\ncredential_process = cat ${file}\n`);
      return { env: machine.bareEnv, base: { profile: "hub" }, signer: machine.key.accessKeyId };
    },
    "a process of the configuration": async (machine) => {
      const file = await machine.write("key.json", processOutput(machine.key));
      return {
        env: machine.bareEnv,
        base: { process: `cat ${file}` },
        signer: machine.key.accessKeyId,
      };
    },
    SSO: async (machine) => {
      machine.sts.addKey(SESSION);
      const portal = await startFakeService(ssoPortal(SESSION, NEXT_HOUR));
      const name = createHash("sha1").update("corp").digest("hex");
      const token = { accessToken: "CANARY/sso", expiresAt: NEXT_HOUR.toISOString() };
      await aws(machine, path.join("sso", "cache", `${name}.json`), JSON.stringify(token));
      await aws(
        machine,
        "config",
        "[profile hub]\nsso_session = corp\nsso_account_id = 111111111111\nsso_role_name = ops\n" +
          "[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-2\n",
      );
      const env = { ...machine.bareEnv, AWS_ENDPOINT_URL_SSO: portal.url };
      return { env, base: { profile: "hub" }, signer: SESSION.accessKeyId, service: portal };
    },
    "a web identity of the environment": async (machine) => {
      machine.sts.addRole({ arn: GATEWAY, webIdentity: (token) => token === "a-token" });
      const file = await machine.write("token", "a-token");
      const env = {
        ...machine.bareEnv,
        AWS_WEB_IDENTITY_TOKEN_FILE: file,
        AWS_ROLE_ARN: GATEWAY,
      };
      return { env, signer: undefined };
    },
    "a web identity of the configuration": async (machine) => {
      machine.sts.addRole({ arn: GATEWAY, webIdentity: (token) => token === "a-token" });
      const tokenFile = await machine.write("token", "a-token");
      const base = { webIdentity: { tokenFile, roleArn: GATEWAY } };
      return { env: machine.bareEnv, base, signer: undefined };
    },
    "container credentials": async (machine) => {
      machine.sts.addKey(SESSION);
      const service = await startFakeService(containerCredentials(SESSION, NEXT_HOUR, "t"));
      const env = {
        ...machine.bareEnv,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/credentials`,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: "t",
      };
      return { env, signer: SESSION.accessKeyId, service };
    },
    "instance metadata": async (machine) => {
      machine.sts.addKey(SESSION);
      const service = await startFakeService(instanceMetadata(SESSION, NEXT_HOUR));
      const { AWS_EC2_METADATA_DISABLED: _, ...rest } = machine.bareEnv;
      const env = { ...rest, AWS_EC2_METADATA_SERVICE_ENDPOINT: service.url };
      return { env, base: { instance: true }, signer: SESSION.accessKeyId, service };
    },
  };

  it.each(Object.keys(cases))("%s", async (name) => {
    await using machine = await startMachine();
    const scene = await cases[name]?.(machine);
    if (scene === undefined) throw new Error(`there is no case ${name}`);
    await using _service = scene.service;
    const config = await machine.write("crossrole.yaml", {
      region: "eu-west-1",
      sts: { endpoint: machine.sts.url },
      ...(scene.base === undefined ? {} : { bases: { hub: scene.base } }),
      roles: {
        "orders-reader": { arn: READER, ...(scene.base === undefined ? {} : { base: "hub" }) },
      },
    });
    const { code, stdout, stderr } = await run(["credential-process", "--config", config], {
      env: { ...scene.env, AWS_ENDPOINT_URL_STS: machine.sts.url },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({
      Version: 1,
      AccessKeyId: machine.sts.issued.at(-1)?.accessKeyId,
    });
    expect(machine.sts.calls[0]?.accessKeyId).toBe(scene.signer);
  });
});

describe("V8's compile cache", () => {
  it("is in the user's own cache folder, for nobody else to write to", async () => {
    await using machine = await startMachine();
    await run(["--version"], machine);
    const folder = path.join(machine.directory, ".cache", "crossrole");
    expect(await readdir(folder)).toHaveLength(1);
  });

  it("is not used where others could write to it", async () => {
    await using machine = await startMachine();
    const folder = path.join(machine.directory, ".cache", "crossrole");
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o777);
    expect((await run(["--version"], machine)).code).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it("is not missed where there is no home, nor one that can be written to", async () => {
    await using machine = await startMachine();
    const file = await machine.write("file", "");
    for (const HOME of [undefined, "", "relative", "/dev/null", file]) {
      const env = { ...machine.bareEnv, HOME };
      expect(await run(["--version"], { env })).toMatchObject({ code: 0, stderr: "" });
    }
  });

  it("is the one beside the program where it was built with one, as in the image", async () => {
    await using machine = await startMachine();
    const bundle = path.join(machine.directory, "bundle");
    await cp(BUNDLE, bundle, { recursive: true });
    await mkdir(path.join(bundle, "compile-cache"));
    const command = [process.execPath, path.join(bundle, "crossrole.js")] as const;
    expect((await run(["--version"], { ...machine, command: [...command] })).code).toBe(0);
    expect(await readdir(path.join(bundle, "compile-cache"))).toHaveLength(1);
    expect(await readdir(machine.directory)).not.toContain(".cache");
  });
});

/** Connections within this process: two rows of the kernel's table each, of 150 bytes. */
async function openSockets(count: number): Promise<AsyncDisposable> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const opened = Array.from({ length: count }, () => connect(port, "127.0.0.1"));
  await Promise.all(opened.map((socket) => once(socket, "connect")));
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of [...opened, ...accepted]) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

interface Scene {
  readonly env: Machine["env"];
  readonly base?: object;
  /** The key id that STS is asked with first; undefined when the call is not signed. */
  readonly signer: string | undefined;
  readonly service?: AsyncDisposable;
}

async function aws(machine: Machine, name: string, text: string): Promise<void> {
  const file = path.join(machine.directory, ".aws", name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}

function keyLines({ accessKeyId, secretAccessKey }: FakeKey): string {
  return `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
}

function processOutput({ accessKeyId, secretAccessKey }: FakeKey): object {
  return { Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey };
}
