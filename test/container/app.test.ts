import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/types.ts";
import { startDaemon } from "../../src/daemon.ts";
import type { Daemon } from "../../src/daemon.ts";
import { containerUri } from "../../src/targets.ts";
import {
  GATEWAY,
  ORDERS_READER,
  memoryLog,
  start as startWith,
  startSts,
} from "../support/daemon.ts";
import { CANARY } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request } from "../support/http.ts";
import type { Response } from "../support/http.ts";

const READER_TOKEN = `${CANARY}-reader-token-0123456789`;
const WRITER_TOKEN = `${CANARY}-writer-token-0123456789`;
const WRITER = "arn:aws-us-gov:iam::333333333333:role/path/orders-writer";
const UNAUTHORIZED = "the Authorization header is missing, or is not this role's token";

let sts: FakeSts;
const running: Daemon[] = [];

/** Two roles and one without a token, on a listener each way: one for both, one for the first. */
function textOf(tokenOfReader = "{ environment: READER_TOKEN }"): string {
  return `
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"], authorizationToken: ${tokenOfReader} }
  orders-writer: { arn: "${WRITER}", base: hub, authorizationToken: { environment: WRITER_TOKEN } }
  tokenless: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"] }
listeners:
  - { address: "127.0.0.1:0", roles: [orders-reader, orders-writer, tokenless] }
  - { address: "127.0.0.1:0", role: orders-reader }
`;
}

const TOKENS = { READER_TOKEN, WRITER_TOKEN };

function configOf(text: string, environment: Readonly<Record<string, string>> = TOKENS): Config {
  const origin = { kind: "file", path: "test.yaml", settings: {} } as const;
  return parseConfig(origin, text, { flags: {}, environment, hostname: "host" });
}

async function start(config: Config = configOf(textOf())) {
  const started = await startWith(config);
  running.push(started.daemon);
  return { ...started, single: started.daemon.served.at(-1)?.url ?? "" };
}

function ask(url: string, name: string, authorization?: string, method = "GET"): Promise<Response> {
  const headers = authorization === undefined ? {} : { authorization };
  return request(url, `/container/${name}`, { method, headers });
}

beforeEach(async () => {
  sts = await startSts();
  sts.addRole({ arn: WRITER });
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((daemon) => daemon.close()));
  await sts.close();
  vi.unstubAllEnvs();
});

describe("GET /container/NAME with the token of the role", () => {
  it("answers its credentials with what ECS adds, as application/json and nothing more", async () => {
    const { url } = await start();
    const response = await ask(url, "orders-reader", READER_TOKEN);
    const issued = sts.issued.find(({ roleArn }) => roleArn === ORDERS_READER);

    expect(response.status).toBe(200);
    expect(response.headers).toMatchObject({
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(response.body)),
    });
    const document = JSON.parse(response.body) as Record<string, string>;
    expect(document).toEqual({
      Code: "Success",
      LastUpdated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      Type: "AWS-HMAC",
      AccessKeyId: issued?.accessKeyId,
      SecretAccessKey: issued?.secretAccessKey,
      Token: issued?.sessionToken,
      Expiration: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      RoleArn: ORDERS_READER,
      AccountId: "222222222222",
    });
  });

  it("answers the account of each target, in whatever partition", async () => {
    const { url } = await start();
    const { body } = await ask(url, "orders-writer", WRITER_TOKEN);

    expect(JSON.parse(body)).toMatchObject({ RoleArn: WRITER, AccountId: "333333333333" });
  });

  it("is answered on a listener for that one role too, where containerUri says", async () => {
    const { single, daemon } = await start();
    const served = daemon.served.at(-1);

    expect(served === undefined ? "" : containerUri(served)).toBe(
      `${single}/container/orders-reader`,
    );
    expect(await ask(single, "orders-reader", READER_TOKEN)).toMatchObject({ status: 200 });
  });

  it.each([" ", "\t", "  \t "])("forgives %j at the end of the token", async (blank) => {
    const { url } = await start();

    expect(await ask(url, "orders-reader", `${READER_TOKEN}${blank}`)).toMatchObject({
      status: 200,
    });
  });

  it.each([
    "/container/orders-reader/",
    "//container//orders-reader",
    "/container/orders%2Dreader",
  ])("is the same as GET %s", async (target) => {
    const { url } = await start();
    const headers = { authorization: READER_TOKEN };

    expect(await request(url, target, { headers })).toMatchObject({ status: 200 });
  });

  it("tells HEAD the length and gives it no body", async () => {
    const { url } = await start();
    const get = await ask(url, "orders-reader", READER_TOKEN);
    const head = await ask(url, "orders-reader", READER_TOKEN, "HEAD");

    expect(head).toMatchObject({ status: 200, body: "" });
    expect(head.headers["content-length"]).toBe(get.headers["content-length"]);
    expect(head.headers["content-type"]).toBe("application/json");
  });
});

describe("the same answer, 401 as JSON in both spellings,", () => {
  it.each([
    ["no token", "orders-reader", undefined],
    ["an empty token", "orders-reader", ""],
    ["a wrong token", "orders-reader", "wrong"],
    ["another role's token", "orders-reader", WRITER_TOKEN],
    ["half of the token", "orders-reader", READER_TOKEN.slice(0, -1)],
    ["a scheme before the token", "orders-reader", `Bearer ${READER_TOKEN}`],
    ["two tokens", "orders-reader", `${READER_TOKEN}, ${READER_TOKEN}`],
    ["an unknown role", "no-such-role", READER_TOKEN],
    ["an unknown role and no token", "no-such-role", undefined],
    ["a role that has no token", "tokenless", READER_TOKEN],
    ["a role that has no token, and none", "tokenless", undefined],
    ["a name that is no encoding", "%zz", READER_TOKEN],
    ["a name of JavaScript's", "__proto__", READER_TOKEN],
    ["a query behind the name", "orders-reader?x=1", READER_TOKEN],
  ])("is given to %s", async (_, name, token) => {
    const { url } = await start();
    const response = await ask(url, name, token);

    expect(response).toMatchObject({
      status: 401,
      headers: { "content-type": "application/json" },
    });
    expect(response.headers).not.toHaveProperty("www-authenticate");
    expect(JSON.parse(response.body)).toEqual({
      code: "ERR_TOKEN_INVALID",
      message: UNAUTHORIZED,
      Code: "ERR_TOKEN_INVALID",
      Message: UNAUTHORIZED,
    });
  });

  it("is byte for byte the same for a role that exists and one that does not", async () => {
    const { url } = await start();
    const answers = await Promise.all(
      ["orders-reader", "tokenless", "no-such-role"].map((name) => ask(url, name, "wrong")),
    );
    const bytes = answers.map(({ status, headers, body }) => {
      const { date: _, ...rest } = headers;
      return JSON.stringify([status, rest, body]);
    });

    expect(new Set(bytes).size).toBe(1);
  });

  it("is what a metadata token is worth here", async () => {
    const { single } = await start();
    const put = await request(single, "/latest/api/token", {
      method: "PUT",
      headers: { "X-aws-ec2-metadata-token-ttl-seconds": "60" },
    });

    expect(put.status).toBe(200);
    expect(await ask(single, "orders-reader", put.body)).toMatchObject({ status: 401 });
  });
});

describe("errors, as JSON,", () => {
  it("are 404 for a role that is configured and not served here, with its own token", async () => {
    const { single } = await start();
    const response = await ask(single, "orders-writer", WRITER_TOKEN);

    expect(response.status).toBe(404);
    expect(JSON.parse(response.body)).toMatchObject({ Code: "ERR_NOT_FOUND" });
    expect(response.body).not.toContain("orders");
  });

  it.each(["", "/", "/orders-reader/x", "/orders-reader/../orders-reader"])(
    "are 404 at /container%s",
    async (rest) => {
      const { url } = await start();
      const headers = { authorization: READER_TOKEN };
      const response = await request(url, `/container${rest}`, { headers });

      expect(response).toMatchObject({
        status: 404,
        headers: { "content-type": "application/json" },
      });
    },
  );

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("are 405 to %s", async (method) => {
    const { url } = await start();
    const response = await ask(url, "orders-reader", READER_TOKEN, method);

    expect(response).toMatchObject({
      status: 405,
      headers: { allow: "GET", "content-type": "application/json" },
    });
    expect(JSON.parse(response.body)).toMatchObject({ code: "ERR_METHOD_NOT_ALLOWED" });
  });

  it("are 500 while STS denies, and hold no secret", async () => {
    sts.fault({ kind: "accessDenied" });
    const { url, log } = await start();
    const response = await ask(url, "orders-reader", READER_TOKEN);

    expect(response).toMatchObject({
      status: 500,
      headers: { "content-type": "application/json" },
    });
    expect(JSON.parse(response.body)).toMatchObject({
      code: "ERR_ROLE_DENIED",
      Code: "ERR_ROLE_DENIED",
    });
    expect(response.body).not.toContain(CANARY);
    expect(JSON.stringify(log.lines)).not.toContain(CANARY);
  });

  it("are 500 after 400 ms while STS does not answer", async () => {
    sts.fault({ kind: "blackHole" });
    const { url } = await start();
    const began = performance.now();
    const response = await ask(url, "orders-reader", READER_TOKEN);

    expect(response.status).toBe(500);
    expect(JSON.parse(response.body)).toMatchObject({ Code: "ERR_CREDENTIALS_PENDING" });
    expect(performance.now() - began).toBeGreaterThan(390);
  });

  it("are 403 on a connection that ends for a caller that is not allowed, with the right token", async () => {
    const log = memoryLog();
    const daemon = await startDaemon({
      config: configOf(textOf()),
      environment: process.env,
      hostname: "host",
      log,
      uid: 1,
      socketTables: () => Promise.resolve({ tcp: "", tcp6: "" }),
    });
    running.push(daemon);
    const response = await ask(daemon.served[0]?.url ?? "", "orders-reader", READER_TOKEN);

    expect(response).toMatchObject({
      status: 403,
      headers: { "content-type": "application/json", connection: "close" },
    });
    expect(JSON.parse(response.body)).toMatchObject({ Code: "ERR_CALLER_UNKNOWN" });
    expect(log.lines.find(({ event }) => event === "request refused")).toMatchObject({
      fields: { code: "ERR_CALLER_UNKNOWN", target: "/container/orders-reader" },
    });
  });
});

describe("a token in a file", () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "crossrole-container-"));
    path = join(directory, "token");
  });

  afterEach(() => rm(directory, { recursive: true, force: true }));

  const fileConfig = () => configOf(textOf(`{ file: "${path}" }`));

  it("opens its role, stays the same over a reload, and over a restart for who has read it", async () => {
    const first = await start(fileConfig());
    const token = await readFile(path, "utf8");
    expect(await ask(first.url, "orders-reader", token)).toMatchObject({ status: 200 });
    expect(await ask(first.url, "orders-writer", token)).toMatchObject({ status: 401 });

    await first.daemon.reload(fileConfig());
    expect(await readFile(path, "utf8")).toBe(token);
    expect(await ask(first.url, "orders-reader", token)).toMatchObject({ status: 200 });

    await running.pop()?.close();
    const second = await start(fileConfig());
    const next = await readFile(path, "utf8");
    expect(next).not.toBe(token);
    for (const good of [token, next]) {
      expect(await ask(second.url, "orders-reader", good)).toMatchObject({ status: 200 });
    }
  });

  it("that cannot be written keeps the daemon from starting, and a reload from being taken over", async () => {
    const unwritable = configOf(textOf('{ file: "/dev/null/token" }'));
    const failure = {
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("/dev/null/token"),
    };
    await expect(start(unwritable)).rejects.toMatchObject(failure);

    const { daemon, url } = await start(fileConfig());
    await expect(daemon.reload(unwritable)).rejects.toMatchObject(failure);
    const token = await readFile(path, "utf8");
    expect(await ask(url, "orders-reader", token)).toMatchObject({ status: 200 });
  });

  it("is void once a reload takes it from its role", async () => {
    const { daemon, url } = await start(fileConfig());
    const token = await readFile(path, "utf8");
    await daemon.reload(configOf(textOf()));

    expect(await ask(url, "orders-reader", token)).toMatchObject({ status: 401 });
    expect(await ask(url, "orders-reader", READER_TOKEN)).toMatchObject({ status: 200 });
  });
});

describe("a token in a variable", () => {
  it.each([
    ["is missing", {}],
    ["is empty", { READER_TOKEN: "" }],
    ["is short", { READER_TOKEN: "fifteen-letters" }],
    ["has blanks", { READER_TOKEN: `${READER_TOKEN} ${READER_TOKEN}` }],
    ["has a newline", { READER_TOKEN: `${READER_TOKEN}\n` }],
    ["is not ASCII", { READER_TOKEN: `${READER_TOKEN}ü` }],
    ["is too long", { READER_TOKEN: `${CANARY}${"x".repeat(4_096)}` }],
  ])("that %s is a configuration error that names the variable, never the token", (_, tokens) => {
    let message = "";
    try {
      configOf(textOf(), { WRITER_TOKEN, ...tokens });
    } catch (error) {
      message = error instanceof Error ? error.message : String(error);
    }

    expect(message).toContain(
      "roles.orders-reader.authorizationToken.environment names the variable READER_TOKEN, " +
        "which must hold 16 or more printable characters",
    );
    expect(message).not.toContain(CANARY);
    expect(message).not.toContain("fifteen");
  });
});
