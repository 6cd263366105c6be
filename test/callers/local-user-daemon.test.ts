import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { procSocketTables } from "../../src/callers/proc-socket-tables.ts";
import type { ReadSocketTables } from "../../src/callers/local-user.ts";
import type { SocketTables } from "../../src/callers/socket-table.ts";
import type { Config } from "../../src/config/types.ts";
import { startDaemon } from "../../src/daemon.ts";
import type { Daemon } from "../../src/daemon.ts";
import { memoryLog, oneRole, startSts } from "../support/daemon.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";
import type { RequestOptions, Response } from "../support/http.ts";

const own = process.getuid?.() ?? 0;
/** Another user of this machine. */
const stranger = own === 65_534 ? { uid: 1, name: "daemon" } : { uid: 65_534, name: "nobody" };

const LIST = "/latest/meta-data/iam/security-credentials/";
const TTL = { "X-aws-ec2-metadata-token-ttl-seconds": "60" };

/**
 * Only root can be somebody else. For others the kernel's table is altered on its way to the daemon,
 * so that while a stranger asks what is this user's is the stranger's.
 */
const canBeOthers = own === 0;
let pretending = false;
let readings = 0;
let kernel: ReadSocketTables;

function altered(table: string): string {
  if (!pretending) return table;
  return table.replaceAll(new RegExp(`^( *(?:\\S+ +){7})${own} `, "gm"), `$1${stranger.uid} `);
}

const socketTables: ReadSocketTables = async () => {
  readings++;
  const { tcp, tcp6 } = await kernel();
  return { tcp: altered(tcp), tcp6: altered(tcp6) } satisfies SocketTables;
};

const SCRIPT = `
process.on("message", (asked) => {
  const outgoing = require("node:http").request(asked.url, { ...asked, agent: false }, async (answer) => {
    let body = "";
    for await (const chunk of answer) body += chunk;
    const { statusCode: status, headers } = answer;
    process.send({ status, headers, body, uid: process.getuid() });
  });
  outgoing.end();
});
process.on("disconnect", () => process.exit());`;

let somebody: ChildProcess;

beforeAll(() => {
  const as = canBeOthers ? { uid: stranger.uid, gid: stranger.uid } : {};
  // The way to this program's file may be closed to others: its running image is not.
  const node = process.platform === "linux" ? "/proc/self/exe" : process.execPath;
  const stdio = ["ignore", "ignore", "inherit", "ipc"] as const;
  somebody = spawn(node, ["-e", SCRIPT], { ...as, cwd: "/", env: {}, stdio: [...stdio] });
});

afterAll(() => {
  somebody.disconnect();
});

/** One request of another user, from a process of its own. */
async function asStranger(url: string, target: string, options: RequestOptions = {}) {
  pretending = !canBeOthers;
  try {
    somebody.send({ url: `${url}${target}`, ...options });
    const [answer] = (await once(somebody, "message")) as [Response & { readonly uid: number }];
    return answer;
  } finally {
    pretending = false;
  }
}

let sts: FakeSts;
let running: Daemon | undefined;

async function start(config: Config) {
  const log = memoryLog();
  running = await startDaemon({
    config,
    environment: process.env,
    hostname: "host",
    log,
    uid: own,
    socketTables,
  });
  await running.credentials("orders-reader");
  return { daemon: running, log, url: running.served[0]?.url ?? "" };
}

/** The one role at `host`, for `allowUsers`. */
function configAt(host: string, allowUsers?: "any" | (string | number)[]): Config {
  const config = oneRole(sts);
  return {
    ...config,
    listeners: config.listeners.map((listener) => ({
      ...listener,
      address: { host, port: 0 },
      ...(allowUsers === undefined ? {} : { allowUsers }),
    })),
  };
}

/** Where a listener is reached: as it is bound, and one for every address as 127.0.0.1 too. */
function reached(url: string, at: string): string {
  return `http://${at}:${new URL(url).port}`;
}

beforeEach(async () => {
  kernel =
    (await procSocketTables()) ??
    (() => Promise.reject(new Error("this platform has no socket table")));
  readings = 0;
  sts = await startSts();
});

afterEach(async () => {
  await running?.close();
  await sts.close();
  vi.unstubAllEnvs();
});

describe.each([
  ["127.0.0.1", "127.0.0.1"],
  ["::1", "[::1]"],
  // A socket of IPv6 whose peers are of IPv4, as on a listener on every address.
  ["::ffff:127.0.0.1", "127.0.0.1"],
])("a listener on %s, reached at %s", (host, at) => {
  it("answers the daemon's own user, and another not at all: no body, who it was in the log", async () => {
    const { url, log } = await start(configAt(host));
    const here = reached(url, at);
    const token = await tokenFrom(here);
    const headers = { "x-aws-ec2-metadata-token": token };
    expect(await request(here, LIST, { headers })).toMatchObject({
      status: 200,
      body: "orders-reader",
    });

    const put = await asStranger(here, "/latest/api/token", { method: "PUT", headers: TTL });
    const get = await asStranger(here, `${LIST}orders-reader`, { headers });

    expect(put.uid).toBe(canBeOthers ? stranger.uid : own);
    // Never 403 on the token route: clients would go on without tokens, for as long as they live.
    expect([put.status, get.status]).toEqual([500, 403]);
    for (const answer of [put, get]) {
      expect(answer).toMatchObject({ body: "", headers: { connection: "close" } });
      expect(answer.headers).toMatchObject({ "content-length": "0" });
    }
    const refused = log.lines.filter(({ event }) => event === "request refused");
    expect(refused.map(({ fields }) => fields)).toMatchObject([
      { code: "ERR_CALLER_UNKNOWN", method: "PUT", target: "/latest/api/token" },
      { code: "ERR_CALLER_UNKNOWN", method: "GET", target: `${LIST}orders-reader` },
    ]);
    for (const { fields } of refused) {
      expect(fields["reason"]).toContain(
        `the caller is uid ${stranger.uid}; this listener answers uid ${own}`,
      );
    }
  });
});

describe("another user", () => {
  it.each([[[stranger.uid]], [[stranger.name]], ["any" as const]])(
    "is served with allowUsers %j, and so is the daemon's own",
    async (allowUsers) => {
      const { url } = await start(configAt("127.0.0.1", allowUsers));

      const put = await asStranger(url, "/latest/api/token", { method: "PUT", headers: TTL });
      const headers = { "x-aws-ec2-metadata-token": put.body };
      const theirs = await asStranger(url, `${LIST}orders-reader`, { headers });
      const ours = await request(url, `${LIST}orders-reader`, {
        headers: { "x-aws-ec2-metadata-token": await tokenFrom(url) },
      });

      expect(theirs.status).toBe(200);
      expect(JSON.parse(theirs.body)).toMatchObject({
        AccessKeyId: sts.issued.at(-1)?.accessKeyId,
      });
      expect(ours).toMatchObject({ status: 200, body: theirs.body });
    },
  );

  it("has no use for a metadata token of the daemon's own user, nor this one for theirs", async () => {
    const { url } = await start(configAt("127.0.0.1", [stranger.uid]));
    const ours = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
    const put = await asStranger(url, "/latest/api/token", { method: "PUT", headers: TTL });
    const theirs = { "x-aws-ec2-metadata-token": put.body };

    expect(await asStranger(url, LIST, { headers: ours })).toMatchObject({ status: 401, body: "" });
    expect(await request(url, LIST, { headers: theirs })).toMatchObject({ status: 401, body: "" });
    expect(await asStranger(url, LIST, { headers: theirs })).toMatchObject({ status: 200 });
    expect(await request(url, LIST, { headers: ours })).toMatchObject({ status: 200 });
  });

  it("is served from the reload on that allows it, and refused from the one that does not", async () => {
    const config = configAt("127.0.0.1");
    const { url, daemon } = await start(config);
    const put = () => asStranger(url, "/latest/api/token", { method: "PUT", headers: TTL });
    const allowing = (allowUsers: (string | number)[]) => ({
      ...config,
      listeners: config.listeners.map((listener) => ({ ...listener, allowUsers })),
    });

    expect((await put()).status).toBe(500);
    await daemon.reload(allowing([stranger.uid]));
    expect((await put()).status).toBe(200);
    await daemon.reload(config);
    expect((await put()).status).toBe(500);
    await expect(daemon.reload(allowing(["no-such-user"]))).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
    });
    expect((await request(url, "/latest/api/token", { method: "PUT", headers: TTL })).status).toBe(
      200,
    );
  });
});

/** One request on a connection of `agent`, and the port that it came from. */
async function ask(agent: Agent, url: string, target: string, headers: object) {
  const outgoing = httpRequest(`${url}${target}`, { agent, headers: { ...headers } }).end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  const body = await buffer(incoming);
  return { status: incoming.statusCode, body: body.toString(), port: outgoing.socket?.localPort };
}

describe("a connection that is kept", () => {
  it("is looked up once, and the user of its first request is the user of all", async () => {
    const { url } = await start(configAt("127.0.0.1"));
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    readings = 0;
    const ports = new Set<number | undefined>();

    for (let index = 0; index < 10; index++) {
      const { status, port } = await ask(agent, url, LIST, headers);
      expect(status).toBe(200);
      ports.add(port);
    }
    agent.destroy();

    expect(ports.size).toBe(1);
    expect(readings).toBe(1);
  });

  it("is another caller from the reload on that no longer tells users apart, and its token is void", async () => {
    const config = configAt("127.0.0.1");
    const { url, daemon } = await start(config);
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const before = await ask(agent, url, LIST, headers);

    await daemon.reload({
      ...config,
      listeners: config.listeners.map((listener) => ({ ...listener, allowUsers: "any" as const })),
    });
    const after = await ask(agent, url, LIST, headers);
    agent.destroy();

    expect(before).toMatchObject({ status: 200 });
    expect(after).toMatchObject({ status: 401, body: "", port: before.port });
  });
});

describe("a caller that cannot be told", () => {
  it.each<[string, ReadSocketTables]>([
    ["the table is empty", () => Promise.resolve({ tcp: "", tcp6: "" })],
    ["the table cannot be read", () => Promise.reject(new Error("EACCES"))],
  ])("is refused when %s, on a connection that ends", async (_, read) => {
    const config = configAt("127.0.0.1");
    const { url, log } = await start(config);
    kernel = read;

    const put = await request(url, "/latest/api/token", { method: "PUT", headers: TTL });

    expect(put).toMatchObject({ status: 500, body: "", headers: { connection: "close" } });
    expect(log.lines.at(-1)?.fields["reason"]).toContain("no local process could be found");
  });
});
