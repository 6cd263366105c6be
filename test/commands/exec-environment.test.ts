import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CANARY } from "../support/fake-sts.ts";
import { crossrole, node, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

const PRINT_ENVIRONMENT = node("console.log(JSON.stringify(process.env))");

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine[Symbol.asyncDispose]());

/** What a child of `exec` with `args` has in its environment. */
async function environmentOf(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Record<string, string>> {
  const { code, stdout, stderr } = await crossrole(
    ["exec", ...machine.role, ...args, "--", ...PRINT_ENVIRONMENT],
    { env: { ...machine.env, ...env }, cwd: machine.directory },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Record<string, string>;
}

describe.concurrent("the environment of a command that exec runs", () => {
  it("holds what points at crossrole, nothing of the base's, and the rest as it was", async () => {
    const { HOME, PATH } = machine.env;
    const child = await environmentOf([], {
      AWS_SECURITY_TOKEN: `${CANARY}-token`,
      AWS_PROFILE: undefined,
      AWS_DEFAULT_PROFILE: "x",
      AWS_ROLE_ARN: "x",
      AWS_ROLE_SESSION_NAME: "x",
      AWS_CONTAINER_AUTHORIZATION_TOKEN: CANARY,
      CROSSROLE_EXTERNAL_ID: CANARY,
      NO_PROXY: "internal.example",
      APPLICATION: "mine",
    });

    const { NODE_COMPILE_CACHE: _, ...environment } = child;
    expect(environment).toEqual({
      HOME,
      PATH,
      APPLICATION: "mine",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      AWS_EC2_METADATA_V1_DISABLED: "true",
      AWS_METADATA_SERVICE_TIMEOUT: "5",
      AWS_METADATA_SERVICE_NUM_ATTEMPTS: "3",
      NO_PROXY: "internal.example,127.0.0.1,localhost,::1",
      no_proxy: "internal.example,127.0.0.1,localhost,::1",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_CREDENTIAL_PROFILES_FILE: "/dev/null",
      BOTO_CONFIG: "/dev/null",
      AWS_SDK_LOAD_CONFIG: "1",
    });
    expect(JSON.stringify(child)).not.toContain(machine.key.accessKeyId);
    expect(JSON.stringify(child)).not.toContain(CANARY);
  });

  it("has the region of the flag before that of the variable", async () => {
    const child = await environmentOf(["--region", "eu-west-3"], { AWS_REGION: "eu-west-2" });

    expect(child).toMatchObject({ AWS_REGION: "eu-west-3", AWS_DEFAULT_REGION: "eu-west-3" });
  });

  it("has the region of either variable in both", async () => {
    const child = await environmentOf([], { AWS_DEFAULT_REGION: "eu-west-2" });

    expect(child).toMatchObject({ AWS_REGION: "eu-west-2", AWS_DEFAULT_REGION: "eu-west-2" });
  });

  it("has the region of the profile that signs, whose files are out of its sight", async () => {
    const { accessKeyId, secretAccessKey } = machine.key;
    const config = await machine.write("config", "[profile hub]\nregion = eu-central-1\n");
    const credentials = await machine.write(
      "credentials",
      `[hub]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
    );
    const child = await environmentOf(["--profile", "hub"], {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_CONFIG_FILE: config,
      AWS_SHARED_CREDENTIALS_FILE: credentials,
    });

    expect(child).toMatchObject({
      AWS_REGION: "eu-central-1",
      AWS_DEFAULT_REGION: "eu-central-1",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    });
  });

  it("keeps AWS's files in sight with --keep-aws-files", async () => {
    const child = await environmentOf(["--keep-aws-files"], { AWS_CONFIG_FILE: "config" });

    expect(child["AWS_CONFIG_FILE"]).toBe("config");
    expect(child).not.toHaveProperty("AWS_SHARED_CREDENTIALS_FILE");
  });
});

it("leads the command to container credentials with --protocol container, and shows no other way", async () => {
  const code = `
    const { request } = require("node:http");
    const { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: token } = process.env;
    const ask = (headers) => new Promise((resolve) => {
      request(uri, { headers }, async (answer) => resolve((await answer.toArray()).join(""))).end();
    });
    (async () => console.log(JSON.stringify([
      process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? null,
      JSON.parse(await ask({ authorization: token })),
      JSON.parse(await ask({ authorization: "Bearer x" })),
    ])))();`;
  const args = ["exec", ...machine.role, "--protocol", "container", "--", ...node(code)];
  const { stdout } = await crossrole(args, { env: machine.env, cwd: machine.directory });

  const [endpoint, document, refused] = JSON.parse(stdout) as [null, ...Record<string, string>[]];
  const issued = machine.sts.issued.find((one) => one.accessKeyId === document?.["AccessKeyId"]);
  expect(endpoint).toBeNull();
  expect(document?.["Token"]).toBe(issued?.sessionToken);
  expect(refused).toHaveProperty("Code");
  expect(refused).not.toHaveProperty("AccessKeyId");
});

it("leads the command to the credentials that STS issued for the role", async () => {
  // Not fetch: it sends Sec-Fetch-Mode, which only browsers have a use for, and is refused.
  const code = `
    const { request } = require("node:http");
    const ask = (path, method, headers) => new Promise((resolve) => {
      const url = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT + "/latest/" + path;
      request(url, { method, headers }, async (answer) => {
        resolve((await answer.toArray()).join(""));
      }).end();
    });
    (async () => {
      const ttl = { "X-aws-ec2-metadata-token-ttl-seconds": "21600" };
      const headers = { "X-aws-ec2-metadata-token": await ask("api/token", "PUT", ttl) };
      const role = await ask("meta-data/iam/security-credentials/", "GET", headers);
      console.log(role);
      console.log(await ask("meta-data/iam/security-credentials/" + role, "GET", headers));
    })();`;
  const { stdout } = await crossrole(["exec", ...machine.role, "--", ...node(code)], {
    env: machine.env,
    cwd: machine.directory,
  });

  const [role, document = ""] = stdout.split("\n");
  const answer = JSON.parse(document) as Record<string, string>;
  const issued = machine.sts.issued.find((one) => one.accessKeyId === answer["AccessKeyId"]);
  expect(role).toBe("orders-reader");
  expect(answer["Token"]).toBe(issued?.sessionToken);
  expect(answer["SecretAccessKey"]).toBe(issued?.secretAccessKey);
});
