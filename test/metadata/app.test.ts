import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TemporaryCredentials } from "../../src/credentials/types.ts";
import { CrossroleError } from "../../src/errors.ts";
import { listen } from "../../src/http/listener.ts";
import type { RunningListener } from "../../src/http/listener.ts";
import { metadataApp } from "../../src/metadata/app.ts";
import { newTokenKeys } from "../../src/metadata/metadata-token.ts";
import { ordersReader, temporaryCredentials } from "../support/credentials.ts";
import { request, tokenFrom } from "../support/http.ts";

const ROLE = "/latest/meta-data/iam/security-credentials/orders-reader";
const LIST = "/latest/meta-data/iam/security-credentials/";
const TOKEN = "/latest/api/token";
const TTL = "X-aws-ec2-metadata-token-ttl-seconds";

/** What the app is given in the place of the cache; a test sets what the next call brings. */
const behind = {
  answer: (): TemporaryCredentials | Promise<TemporaryCredentials> => temporaryCredentials(),
  holds: [] as number[],
};
let server: RunningListener;

beforeEach(async () => {
  behind.answer = () => temporaryCredentials();
  behind.holds = [];
  const keys = newTokenKeys(Date.now());
  const app = metadataApp({
    sessionFor: ({ address }) => ({
      caller: address,
      roleName: "orders-reader",
      session: ordersReader,
      imdsV1: false,
    }),
    credentialsFor: (_, { holdMs }) => {
      behind.holds.push(holdMs);
      return behind.answer();
    },
    tokenKeys: () => keys,
    listener: "test",
    region: () => "eu-central-1",
    hostname: "host",
    now: Date.now,
    onRefused: () => undefined,
    onImdsV1: () => undefined,
    perRole: () => false,
  });
  server = await listen({
    host: "127.0.0.1",
    port: 0,
    hosts: () => [],
    onRefused: () => undefined,
    handle: app,
  });
});

afterEach(() => server.close());

async function get(target: string, method = "GET") {
  const token = await tokenFrom(server.url);
  return await request(server.url, target, {
    method,
    headers: { "x-aws-ec2-metadata-token": token },
  });
}

describe("token route", () => {
  it("answers the token alone and echoes the TTL", async () => {
    const response = await request(server.url, TOKEN, { method: "PUT", headers: { [TTL]: "60" } });
    expect(response).toMatchObject({
      status: 200,
      body: expect.stringMatching(/^[\w-]{51}$/),
      headers: {
        "content-type": "text/plain",
        "content-length": "51",
        "x-aws-ec2-metadata-token-ttl-seconds": "60",
      },
    });
  });

  it.each([undefined, "0", "21601", "1.5", ""])("answers 400 to a TTL of %j", async (ttl) => {
    const headers = ttl === undefined ? {} : { [TTL]: ttl };
    const response = await request(server.url, TOKEN, { method: "PUT", headers });
    expect(response).toMatchObject({ status: 400, body: "" });
  });

  it.each(["GET", "HEAD", "POST", "DELETE", "PATCH", "OPTIONS"])(
    "answers 405 to %s",
    async (method) => {
      const response = await request(server.url, TOKEN, { method });
      expect(response).toMatchObject({ status: 405, body: "", headers: { allow: "PUT" } });
    },
  );

  it("asks for the credentials at once and waits for nothing", async () => {
    behind.answer = () => new Promise(() => undefined);
    expect(await tokenFrom(server.url)).toMatch(/^[\w-]{51}$/);
    expect(behind.holds).toEqual([0]);
  });

  it("answers 200 while the role cannot be assumed: a client that gets anything else falls back to v1", async () => {
    behind.answer = () => Promise.reject(new CrossroleError("ERR_ROLE_DENIED", "no"));
    expect(await tokenFrom(server.url)).toMatch(/^[\w-]{51}$/);
  });
});

describe("without a metadata token", () => {
  it.each([
    "/",
    "/latest",
    LIST,
    ROLE,
    "/latest/user-data",
    "/nothing",
    "/latest/meta-data/iam/info",
  ])("%s answers 401 and nothing else", async (target) => {
    const none = await request(server.url, target);
    const forged = await request(server.url, target, {
      headers: { "x-aws-ec2-metadata-token": "INVALID" },
    });
    const twice = await request(server.url, target, {
      headers: { "x-aws-ec2-metadata-token": [await tokenFrom(server.url), "x"] },
    });
    for (const response of [none, forged, twice]) {
      expect(response).toMatchObject({ status: 401, body: "" });
    }
  });

  it("answers 401 to every method", async () => {
    for (const method of ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]) {
      expect(await request(server.url, ROLE, { method })).toMatchObject({ status: 401, body: "" });
    }
  });
});

describe("role list", () => {
  it.each([LIST, LIST.slice(0, -1), `/${LIST}`, "/2021-03-23/meta-data/iam/security-credentials"])(
    "%s is the one role name with no newline",
    async (target) => {
      const response = await get(target);
      expect(response).toMatchObject({ status: 200, body: "orders-reader" });
      expect(response.headers["content-length"]).toBe("13");
    },
  );

  it("is 500 with an empty body when there are no credentials, and has held 400 ms at most", async () => {
    behind.answer = () => Promise.reject(new CrossroleError("ERR_CREDENTIALS_PENDING", "not yet"));
    expect(await get(LIST)).toMatchObject({ status: 500, body: "" });
    expect(behind.holds).toEqual([0, 400]);
  });

  it("knows no extended list", async () => {
    const target = "/latest/meta-data/iam/security-credentials-extended";
    for (const path of [target, `${target}/`, `${target}/orders-reader`]) {
      expect(await get(path)).toMatchObject({ status: 404, body: "" });
    }
  });
});

describe("security-credentials document", () => {
  it("has the seven fields of EC2 in EC2's order, and dates without milliseconds", async () => {
    const response = await get(ROLE);
    expect(response.body).toBe(
      '{"Code":"Success","LastUpdated":"2026-08-22T09:58:00Z","Type":"AWS-HMAC",' +
        '"AccessKeyId":"ASIATARGETEXAMPLE","SecretAccessKey":"CANARY/secret",' +
        '"Token":"CANARY/token+padding==","Expiration":"2026-08-22T10:58:00Z"}',
    );
    expect(response.headers).toMatchObject({
      "content-type": "text/plain",
      "content-length": String(response.body.length),
    });
    expect(response.headers).not.toHaveProperty("transfer-encoding");
    expect(response.headers).not.toHaveProperty("content-encoding");
  });

  it.each([`${ROLE}/`, ROLE.replace("-reader", "%2Dreader"), ROLE.replace("/orders", "//orders")])(
    "is found at %s too",
    async (target) => {
      expect(await get(target)).toMatchObject({
        status: 200,
        body: expect.stringContaining("ASIATARGET"),
      });
    },
  );

  it.each([
    "other",
    "orders-reader2",
    "Orders-reader",
    "orders-reader%00",
    "%",
    "orders-reader/x",
    "..",
    "*",
  ])("of %s is 404 with an empty body", async (name) => {
    const path = `${LIST}${name}`;
    expect(await get(path)).toMatchObject({ status: 404, body: "" });
  });

  it.each([
    ["ERR_ROLE_DENIED", 500],
    ["ERR_STS_UNAVAILABLE", 500],
    ["ERR_STS_THROTTLED", 500],
    ["ERR_STS_MALFORMED", 500],
    ["ERR_BASE_UNAVAILABLE", 500],
    ["ERR_BASE_EXPIRED", 500],
    ["ERR_CREDENTIALS_PENDING", 500],
    ["ERR_CLOSED", 500],
  ] as const)("is %s: %i with an empty body, never 200", async (code, status) => {
    behind.answer = () => Promise.reject(new CrossroleError(code, "CANARY"));
    expect(await get(ROLE)).toMatchObject({ status, body: "" });
  });

  it("is 500 with an empty body on an error that nobody foresaw", async () => {
    behind.answer = () => {
      throw new TypeError("CANARY");
    };
    expect(await get(ROLE)).toMatchObject({ status: 500, body: "" });
  });

  it("is answered to HEAD with its length and no body", async () => {
    const response = await get(ROLE, "HEAD");
    expect(response).toMatchObject({ status: 200, body: "" });
    expect(Number(response.headers["content-length"])).toBeGreaterThan(200);
  });

  it("is answered when the credentials come within the hold", async () => {
    behind.answer = () => Promise.resolve(temporaryCredentials());
    expect(await get(ROLE)).toMatchObject({
      status: 200,
      body: expect.stringContaining("ASIATARGET"),
    });
  });
});

describe("the rest of the tree", () => {
  it.each([
    ["/", "latest"],
    ["/latest", "dynamic\nmeta-data"],
    ["/latest/", "dynamic\nmeta-data"],
    ["/latest/meta-data/", "iam/\ninstance-id\nplacement/\nservices/"],
    ["/latest/meta-data/iam", "info\nsecurity-credentials/"],
    ["/latest/meta-data/placement", "availability-zone\nregion"],
    ["/latest/meta-data/services", "domain\npartition"],
    ["/latest/dynamic", "instance-identity/"],
    ["/latest/dynamic/instance-identity/", "document"],
    ["/latest/meta-data/placement/region", "eu-central-1"],
    ["/latest/meta-data/placement/availability-zone/", "eu-central-1a"],
    ["/latest/meta-data/services/partition", "aws"],
    ["/latest/meta-data/services/domain", "amazonaws.com"],
  ])("%s is %j", async (target, body) => {
    expect(await get(target)).toMatchObject({ status: 200, body });
  });

  it("has an identity document of the target account and the workload's region", async () => {
    const { body } = await get("/latest/dynamic/instance-identity/document");
    expect(JSON.parse(body)).toMatchObject({
      accountId: "222222222222",
      region: "eu-central-1",
      availabilityZone: "eu-central-1a",
      instanceId: expect.stringMatching(/^i-[0-9a-f]{17}$/),
    });
  });

  it("has an instance profile named after the role", async () => {
    const { body } = await get("/latest/meta-data/iam/info");
    expect(JSON.parse(body)).toMatchObject({
      Code: "Success",
      InstanceProfileArn: "arn:aws:iam::222222222222:instance-profile/orders-reader",
    });
  });

  it.each([
    "/latest/user-data",
    "/latest/meta-data/ami-id",
    "/latest/dynamic/instance-identity/pkcs7",
    "/latest/dynamic/instance-identity/signature",
    "/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance",
    "/latest/api",
    `${ROLE}?x=1`,
    "/x/../latest/meta-data/iam/security-credentials/orders-reader",
    "/x/%2e%2e/latest/meta-data/iam/security-credentials/orders-reader",
  ])("%s is 404 with an empty body", async (target) => {
    expect(await get(target)).toMatchObject({ status: 404, body: "" });
  });

  it("answers 405 to other methods on what it has", async () => {
    for (const method of ["POST", "PUT", "DELETE"]) {
      expect(await get(ROLE, method)).toMatchObject({
        status: 405,
        body: "",
        headers: { allow: "GET, HEAD" },
      });
    }
  });

  it("never redirects", async () => {
    for (const target of ["/latest/meta-data/iam", LIST, "//", "/latest/"]) {
      const response = await get(target);
      expect(response.headers).not.toHaveProperty("location");
    }
  });
});
