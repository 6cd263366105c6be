import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { request, tokenFrom } from "../support/http.ts";
import { CANARY } from "../support/fake-sts.ts";
import { Program, READER, crossrole, eventually, startMachine } from "../support/program.ts";
import type { Machine, StartOptions } from "../support/program.ts";

const INVOICES = "arn:aws:iam::222222222222:role/invoices";
const ROLES = "/latest/meta-data/iam/security-credentials/";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
  machine.sts.addRole({ arn: INVOICES });
  machine.sts.addRole({ arn: "arn:aws:iam::222222222222:role/closed", trusts: [] });
});
afterAll(() => machine[Symbol.asyncDispose]());

function options(more: StartOptions = {}): StartOptions {
  return { env: machine.env, cwd: machine.directory, ...more };
}

/** The URLs of the lines to paste. */
function endpointsIn(stdout: string): string[] {
  return [...stdout.matchAll(/^export AWS_EC2_METADATA_SERVICE_ENDPOINT=(.*)$/gm)].map(
    ([, url = ""]) => url,
  );
}

/** The one line of a serve that fails; its log is JSON. */
async function failureOf(...args: readonly string[]): Promise<string> {
  const { code, stdout, errors } = await crossrole(["serve", ...args], options());
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  const [line = "", ...more] = errors.filter((error) => !error.startsWith("{"));
  expect(more).toEqual([]);
  return line;
}

/** A running serve with a file of its own; `rewrite` changes it. */
async function serving(name: string, file: object) {
  const whole = (roles: object) => ({ sts: { endpoint: machine.sts.url }, ...roles });
  const config = await machine.write(name, whole(file));
  const program = new Program(["serve", "--config", config], options());
  await program.printed("\n");
  const urls = endpointsIn(program.stdout);
  const tokens = new Map(
    await Promise.all(urls.map(async (url) => [url, await tokenFrom(url)] as const)),
  );
  return {
    program,
    urls,
    rewrite: (changed: object | string) =>
      machine.write(name, typeof changed === "string" ? changed : whole(changed)),
    ask: (url: string, target = ROLES) =>
      request(url, target, { headers: { "X-aws-ec2-metadata-token": tokens.get(url) ?? "" } }),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

describe.concurrent("serve", () => {
  it("prints one line to paste for each listener once it is ready, and nothing else", async () => {
    const file = await machine.write("two.yaml", {
      sts: { endpoint: machine.sts.url },
      roles: { reader: { arn: READER }, invoices: { arn: INVOICES } },
      listeners: [
        { address: "127.0.0.1:0", role: "reader" },
        { address: "127.0.0.1:0", role: "invoices" },
      ],
    });
    const args = ["serve", "--config", file, "--log-level", "debug"];
    await using program = new Program(args, options());

    await program.printed("\n");
    const [reader = "", invoices = ""] = endpointsIn(program.stdout);
    const names = await Promise.all(
      [reader, invoices].map(async (url) => {
        const headers = { "X-aws-ec2-metadata-token": await tokenFrom(url) };
        return (await request(url, ROLES, { headers })).body;
      }),
    );
    program.signal("SIGTERM");
    const { stdout, stderr } = await program.ended;

    expect(names).toEqual(["reader", "invoices"]);
    expect(stdout).toMatch(
      /^(export AWS_EC2_METADATA_SERVICE_ENDPOINT=http:\/\/127\.0\.0\.1:\d+\n){2}$/,
    );
    expect(stderr).not.toContain(CANARY);
  });

  it("prints for each role of a listener with several the one way that all its clients know", async () => {
    const file = await machine.write("several.yaml", {
      sts: { endpoint: machine.sts.url },
      roles: {
        reader: {
          arn: READER,
          authorizationToken: { file: path.join(machine.directory, "token") },
        },
        invoices: { arn: INVOICES },
      },
      listeners: [{ address: "127.0.0.1:0", roles: ["reader", "invoices"] }],
    });
    await using program = new Program(["serve", "--config", file], options());
    await program.printed("/roles/invoices\n");

    const [, variables = "", url = ""] =
      /^export (.*=(http:\S+)\/container\/reader \S+)\nexport .*\n$/.exec(program.stdout) ?? [];
    const authorization = await readFile(path.join(machine.directory, "token"), "utf8");
    const answer = await request(url, "/container/reader", { headers: { authorization } });

    expect(variables.split(" ")).toEqual([
      `AWS_CONTAINER_CREDENTIALS_FULL_URI=${url}/container/reader`,
      `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=${path.join(machine.directory, "token")}`,
    ]);
    expect(program.stdout).toContain(
      `export AWS_EC2_METADATA_SERVICE_ENDPOINT=${url}/roles/invoices\n`,
    );
    expect(answer.status).toBe(200);
    expect(await request(url, "/latest/meta-data/")).not.toMatchObject({ status: 200 });
  });

  it("answers token, list and credentials as a client asks for them", async () => {
    await using program = new Program(
      ["serve", ...machine.role, "--listen", "127.0.0.1:0"],
      options(),
    );
    await program.printed("\n");
    const [url = ""] = endpointsIn(program.stdout);

    const headers = { "X-aws-ec2-metadata-token": await tokenFrom(url) };
    const list = await request(url, ROLES, { headers });
    const credentials = await request(url, `${ROLES}${list.body}`, { headers });
    const document = JSON.parse(credentials.body) as Record<string, string>;
    const bare = await request(url, ROLES);

    expect(list).toMatchObject({ status: 200, body: "orders-reader" });
    expect(credentials.status).toBe(200);
    expect(machine.sts.issued.map(({ accessKeyId }) => accessKeyId)).toContain(
      document["AccessKeyId"],
    );
    expect(bare).toMatchObject({ status: 401, body: "" });
  });

  it("is up without STS, says so in the log and answers 500 with an empty body", async () => {
    const role = ["--role-arn", "arn:aws:iam::222222222222:role/closed"];
    const args = ["serve", ...role, "--sts-endpoint", machine.sts.url, "--listen", "127.0.0.1:0"];
    await using program = new Program(args, options());
    await program.printed("\n");
    await program.logged("credentials not obtained");
    const [url = ""] = endpointsIn(program.stdout);

    const headers = { "X-aws-ec2-metadata-token": await tokenFrom(url) };

    expect(await request(url, `${ROLES}closed`, { headers })).toMatchObject({
      status: 500,
      body: "",
    });
  });
});

describe.concurrent("serve ends with 1 and one line", () => {
  it("when its port is taken, and names it", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;

    const line = await failureOf(...machine.role, "--listen", `127.0.0.1:${port}`);
    other.close();

    expect(line).toBe(
      `crossrole: cannot listen on 127.0.0.1:${port}: another process has this port; stop it or ` +
        "choose another address",
    );
  });

  it("when no interface has its address, and names it", async () => {
    expect(await failureOf(...machine.role, "--listen", "203.0.113.1:9911")).toMatch(
      /^crossrole: cannot listen on 203\.0\.113\.1:9911: no interface of this machine has/,
    );
  });

  it("when its file cannot be read, and names it", async () => {
    await mkdir(path.join(machine.directory, "directory"));

    expect(await failureOf("--config", "missing.yaml")).toMatch(
      /^crossrole: missing\.yaml: cannot be read: ENOENT/,
    );
    expect(await failureOf("--config", "directory")).toMatch(
      /^crossrole: directory: cannot be read: it is no regular file$/,
    );
  });

  it("when its file is no configuration, and says why", async () => {
    const file = await machine.write("bad.yaml", { roles: { reader: { arn: "reader" } } });

    expect(await failureOf("--config", file)).toMatch(
      /bad\.yaml: roles\.reader\.arn must look like .*, is "reader"$/,
    );
  });

  it("when its file has no listeners", async () => {
    const file = await machine.write("deaf.yaml", { roles: { reader: { arn: READER } } });

    expect(await failureOf("--config", file)).toBe(
      "crossrole: the configuration has no listeners: add one under listeners",
    );
  });
});

describe.concurrent("serve takes a file over", () => {
  const listener = { address: "127.0.0.1:0", role: "reader" };
  const other = { address: "127.0.0.1:0", role: "invoices" };
  const roles = { reader: { arn: READER }, invoices: { arn: INVOICES } };

  it("when it changes, within 5 s and without a dropped listener", async () => {
    await using serve = await serving("change.yaml", { roles, listeners: [listener] });
    const [url = ""] = serve.urls;
    const before = await serve.ask(url);

    await serve.rewrite({ roles, listeners: [{ ...listener, role: "invoices" }] });
    await eventually(async () => expect((await serve.ask(url)).body).toBe("invoices"), 5_000);

    expect(before.body).toBe("reader");
    expect(await serve.ask(url, `${ROLES}reader`)).toMatchObject({ status: 404 });
    expect(await serve.ask(url, `${ROLES}invoices`)).toMatchObject({ status: 200 });
  });

  it("at once on SIGHUP, even when it says the same", async () => {
    await using serve = await serving("sighup.yaml", { roles, listeners: [listener] });

    serve.program.signal("SIGHUP");
    await serve.program.logged("configuration taken over");
    await serve.rewrite({ roles: { reader: { arn: INVOICES } }, listeners: [listener] });
    serve.program.signal("SIGHUP");
    await serve.program.logged("configuration taken over", 2);
    const document = "/latest/meta-data/iam/info";

    expect((await serve.ask(serve.urls[0] ?? "", document)).body).toContain("/invoices");
  });

  it.each<[string, object | string]>([
    ["is no YAML", "roles: [\n"],
    ["is empty", ""],
    ["has a problem", { roles: { reader: { arn: "reader" } }, listeners: [listener] }],
    ["has no listeners", { roles }],
  ])("not when it %s: the old one is served on, and the log says why", async (what, bad) => {
    const name = `${what.replaceAll(" ", "-")}.yaml`;
    await using serve = await serving(name, { roles, listeners: [listener] });
    const [url = ""] = serve.urls;

    await serve.rewrite(bad);
    serve.program.signal("SIGHUP");
    await serve.program.logged("configuration not taken over, the last good one stays");

    expect(await serve.ask(url)).toMatchObject({ status: 200, body: "reader" });
    expect(serve.program.stderr).toMatch(/"level":"error".*"reason":"[^"]+/);
  });

  it("again after a bad one", async () => {
    await using serve = await serving("again.yaml", { roles, listeners: [listener] });

    await serve.rewrite("roles: [\n");
    serve.program.signal("SIGHUP");
    await serve.program.logged("configuration not taken over");
    await serve.rewrite({ roles, listeners: [{ ...listener, role: "invoices" }] });
    serve.program.signal("SIGHUP");
    await serve.program.logged("configuration taken over");

    expect(await serve.ask(serve.urls[0] ?? "")).toMatchObject({ body: "invoices" });
  });

  it("and refuses within 5 s whoever asks for a role that has left it", async () => {
    await using serve = await serving("leave.yaml", { roles, listeners: [listener, other] });
    const [reader = "", invoices = ""] = serve.urls;
    await eventually(async () => expect((await serve.ask(invoices)).status).toBe(200));

    await serve.rewrite({ roles: { reader: { arn: READER } }, listeners: [listener] });
    await eventually(async () => {
      await expect(serve.ask(invoices)).rejects.toThrow(/ECONNREFUSED/);
    }, 5_000);

    expect(await serve.ask(reader)).toMatchObject({ status: 200, body: "reader" });
  });
});
