import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  GATEWAY,
  ORDERS_READER,
  configOf,
  start as startWith,
  startSts,
} from "./support/daemon.ts";
import { CANARY } from "./support/fake-sts.ts";
import type { FakeSts } from "./support/fake-sts.ts";
import { request } from "./support/http.ts";
import type { Response } from "./support/http.ts";

const WRITER = "arn:aws:iam::333333333333:role/orders-writer";
const LIST = "/latest/meta-data/iam/security-credentials/";
const TTL = { "X-aws-ec2-metadata-token-ttl-seconds": "60" };

let sts: FakeSts;
let started: Awaited<ReturnType<typeof startWith>>;
let url: string;

beforeEach(async () => {
  sts = await startSts();
  sts.addRole({ arn: WRITER });
  started = await startWith(
    configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}", callsPerSecond: 1000, burst: 1000 }
bases: { hub: { environment: true } }
roles:
  orders-reader: { arn: "${ORDERS_READER}", base: hub, via: ["${GATEWAY}"] }
  orders.writer_1-x: { arn: "${WRITER}", base: hub }
  elsewhere: { arn: "${WRITER}", base: hub }
listeners:
  - { address: "127.0.0.1:0", roles: [orders-reader, orders.writer_1-x] }
  - { address: "127.0.0.1:0", role: elsewhere }
`),
  );
  await Promise.all(
    ["orders-reader", "orders.writer_1-x"].map((name) => started.daemon.credentials(name)),
  );
  ({ url } = started);
});

afterEach(async () => {
  await started.daemon.close();
  await sts.close();
  vi.unstubAllEnvs();
});

async function tokenAt(service: string): Promise<string> {
  const options = { method: "PUT", headers: TTL };
  const { status, body } = await request(url, `${service}/latest/api/token`, options);
  if (status !== 200) throw new Error(`${service} answered ${status}`);
  return body;
}

function get(target: string, token: string, method = "GET"): Promise<Response> {
  return request(url, target, { method, headers: { "x-aws-ec2-metadata-token": token } });
}

/** All that a client is told, but the date. */
function bytesOf({ status, headers, body }: Response): string {
  const { date: _, ...rest } = headers;
  return JSON.stringify([status, rest, body]);
}

describe("the metadata service of one role among several", () => {
  it.each([
    ["orders-reader", ORDERS_READER],
    ["orders.writer_1-x", WRITER],
  ])("is /roles/%s: token, list and credentials of that role alone", async (name, arn) => {
    const token = await tokenAt(`/roles/${name}`);
    const list = await get(`/roles/${name}${LIST}`, token);
    const { status, body } = await get(`/roles/${name}${LIST}${name}`, token);

    expect(list).toMatchObject({ status: 200, body: name });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      Code: "Success",
      AccessKeyId: sts.issued.find(({ roleArn }) => roleArn === arn)?.accessKeyId,
    });
  });

  it.each([
    ["", "latest"],
    ["/", "latest"],
    ["/latest", "dynamic\nmeta-data"],
    ["/latest/meta-data/", "iam/\ninstance-id\nplacement/\nservices/"],
    ["/latest/meta-data/placement/region", "eu-west-1"],
    ["/2021-03-23/meta-data/placement/availability-zone", "eu-west-1a"],
    ["/1.0/meta-data/iam/security-credentials", "orders-reader"],
    ["/latest/meta-data/services/domain", "amazonaws.com"],
  ])("has the whole tree: %s is %j", async (path, body) => {
    const token = await tokenAt("/roles/orders-reader");

    expect(await get(`/roles/orders-reader${path}`, token)).toMatchObject({ status: 200, body });
  });

  it("says the account of its own role in the identity document and in iam/info", async () => {
    const token = await tokenAt("/roles/orders.writer_1-x");
    const at = `/roles/orders.writer_1-x/latest`;
    const document = await get(`${at}/dynamic/instance-identity/document`, token);
    const info = await get(`${at}/meta-data/iam/info`, token);

    expect(JSON.parse(document.body)).toMatchObject({ accountId: "333333333333" });
    expect(JSON.parse(info.body)).toMatchObject({
      InstanceProfileArn: "arn:aws:iam::333333333333:instance-profile/orders-writer",
    });
  });

  it.each([
    "//roles//orders-reader//latest//meta-data/iam/security-credentials//",
    "/roles/orders%2Dreader/latest/meta-data/iam/security-credentials",
    "/roles/%6f%72ders-reader/latest/meta-data/iam/security-credentials/",
  ])("is the same one at %s", async (target) => {
    const token = await tokenAt("/roles/orders-reader");

    expect(await get(target, token)).toMatchObject({ status: 200, body: "orders-reader" });
  });

  it("answers HEAD, 405 and 404 as a listener for one role does", async () => {
    const token = await tokenAt("/roles/orders-reader");
    const at = "/roles/orders-reader";

    expect(await get(`${at}${LIST}orders-reader`, token, "HEAD")).toMatchObject({
      status: 200,
      body: "",
    });
    expect(await get(`${at}${LIST}`, token, "POST")).toMatchObject({
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
    expect(await get(`${at}/latest/api/token`, token)).toMatchObject({
      status: 405,
      headers: { allow: "PUT" },
    });
    expect(await get(`${at}/latest/user-data`, token)).toMatchObject({ status: 404, body: "" });
  });

  it("knows no credentials of another role, not even by the token of its own", async () => {
    const token = await tokenAt("/roles/orders-reader");
    const at = `/roles/orders-reader${LIST}`;

    expect(await get(`${at}orders.writer_1-x`, token)).toMatchObject({ status: 404, body: "" });
    expect(bytesOf(await get(`${at}orders.writer_1-x`, token))).toBe(
      bytesOf(await get(`${at}no-such-role`, token)),
    );
  });

  it("takes no metadata token of another role, and none from the root", async () => {
    const reader = await tokenAt("/roles/orders-reader");
    const writer = await tokenAt("/roles/orders.writer_1-x");

    for (const path of ["", LIST, `${LIST}orders.writer_1-x`, "/latest/user-data"]) {
      expect(await get(`/roles/orders.writer_1-x${path}`, reader)).toMatchObject({
        status: 401,
        body: "",
      });
      expect(await get(`/roles/orders-reader${path}`, writer)).toMatchObject({
        status: 401,
        body: "",
      });
    }
  });

  it("is 401 without a token, on whatever path", async () => {
    for (const path of ["", "/", LIST, `${LIST}orders-reader`, "/latest/user-data", "/x"]) {
      expect(await request(url, `/roles/orders-reader${path}`)).toMatchObject({
        status: 401,
        body: "",
      });
    }
  });
});

describe("the root of a listener with several roles", () => {
  const targets = [
    "/",
    "/latest",
    "/latest/api/token",
    "/2021-03-23/api/token",
    LIST,
    LIST.slice(0, -1),
    `${LIST}orders-reader`,
    `${LIST}roles/orders-reader`,
    "/latest/meta-data/iam/info",
    "/latest/dynamic/instance-identity/document",
    "/latest/roles/orders-reader/latest/api/token",
    "/latest/user-data",
    "/roles",
    "/roles/",
    "//roles//",
    "/Roles/orders-reader/latest/api/token",
    "/%72oles/orders-reader/latest/api/token",
    "/roles%2Forders-reader/latest/api/token",
    "/x/../roles/orders-reader/latest/api/token",
  ];

  it.each(targets)("answers 404 to %s, whatever the method and the token", async (target) => {
    const token = await tokenAt("/roles/orders-reader");
    for (const method of ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]) {
      for (const headers of [{}, TTL, { "x-aws-ec2-metadata-token": token }]) {
        const response = await request(url, target, { method, headers });
        expect(response).toMatchObject({ status: 404, body: "" });
        expect(JSON.stringify(response)).not.toMatch(new RegExp(`orders|elsewhere|${CANARY}`));
      }
    }
  });
});

describe("a role that is not served at a listener with several", () => {
  it.each([
    "elsewhere",
    "Orders-reader",
    "orders-reader%00",
    "orders-reader%2F",
    "orders-reader%2e",
    "%zz",
    "%",
    ".",
    "..",
    "__proto__",
    "constructor",
    "*",
  ])("is, as %s, byte for byte what a role is that does not exist", async (name) => {
    for (const path of ["", "/latest/api/token", LIST, `${LIST}${name}`, "/latest/x"]) {
      for (const method of ["GET", "PUT", "POST"]) {
        const options = { method, headers: TTL };
        const unlisted = await request(url, `/roles/${name}${path}`, options);
        const unknown = await request(url, `/roles/no-such-role${path}`, options);
        expect(unlisted).toMatchObject({ status: 404, body: "" });
        expect(bytesOf(unlisted)).toBe(bytesOf(unknown));
      }
    }
  });

  it("is served where it is, and that listener knows no /roles", async () => {
    const single = started.daemon.served.at(-1)?.url ?? "";
    const put = await request(single, "/latest/api/token", { method: "PUT", headers: TTL });
    const headers = { "x-aws-ec2-metadata-token": put.body };

    expect(await request(single, LIST, { headers })).toMatchObject({
      status: 200,
      body: "elsewhere",
    });
    for (const name of ["elsewhere", "orders-reader"]) {
      expect(await request(single, `/roles/${name}${LIST}`, { headers })).toMatchObject({
        status: 404,
        body: "",
      });
      const options = { method: "PUT", headers: TTL };
      expect(await request(single, `/roles/${name}/latest/api/token`, options)).toMatchObject({
        status: 401,
      });
    }
    expect(await get(LIST, put.body)).toMatchObject({ status: 404 });
    expect(await get(`/roles/orders-reader${LIST}`, put.body)).toMatchObject({ status: 401 });
  });
});
