import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createKubernetesClient, inClusterApiServer } from "../../src/kubernetes/client.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { startFakeApiServer } from "../support/fake-api-server.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";

const NODE = "system:node:n1";
const PODS = {
  method: "GET",
  path: "/api/v1/pods",
  query: { fieldSelector: "spec.nodeName=n1" },
  impersonate: NODE,
} as const;
const WATCH = {
  path: PODS.path,
  query: { ...PODS.query, watch: "1", allowWatchBookmarks: "true" },
  impersonate: NODE,
  idleMs: 10_000,
};

let api: FakeApiServer;
let client: KubernetesClient;

beforeEach(async () => {
  api = await startFakeApiServer();
  client = createKubernetesClient(api);
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

function serverOf({ url, caFile, tokenFile }: FakeApiServer) {
  return { url, caFile, tokenFile };
}

function tls(name: string): Promise<string> {
  return readFile(join(import.meta.dirname, "tls", name), "utf8");
}

async function startTls() {
  const [key, cert, ca] = await Promise.all(["server.key", "server.crt", "ca.crt"].map(tls));
  if (key === undefined || cert === undefined || ca === undefined) throw new Error("no files");
  return await startFakeApiServer({ tls: { key, cert, ca } });
}

/** A watch by hand. */
function start(more: Partial<Parameters<KubernetesClient["watch"]>[0]> = {}, from = client) {
  const abort = new AbortController();
  const lines = from.watch({ ...WATCH, signal: abort.signal, ...more })[Symbol.asyncIterator]();
  return { abort, lines };
}

/** Reads to the end. */
async function last(lines: AsyncIterator<unknown>): Promise<void> {
  while ((await lines.next()).done !== true);
}

/** A server that says what it is told to, byte by byte. */
async function rawServer(answer: (socket: Socket, head: string) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    socket.on("data", (head) => answer(socket, head.toString("latin1")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    sockets,
    client: createKubernetesClient({ ...serverOf(api), url: `http://127.0.0.1:${port}` }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const OK =
  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

function chunk(bytes: string | Buffer): Buffer {
  const data = Buffer.from(bytes);
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")]);
}

describe("the API server of the cluster that a pod is in", () => {
  it.each([
    ["10.0.0.1", "https://10.0.0.1:443"],
    ["fd00::1", "https://[fd00::1]:443"],
    ["kubernetes.default.svc", "https://kubernetes.default.svc:443"],
  ])("is at %s as %s", (host, url) => {
    const environment = { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: "443" };
    expect(inClusterApiServer(environment)).toEqual({
      url,
      caFile: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
      tokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token",
    });
  });

  it.each([{}, { KUBERNETES_SERVICE_HOST: "10.0.0.1" }, { KUBERNETES_SERVICE_PORT: "443" }])(
    "is none with %j",
    (environment) => {
      expect(inClusterApiServer(environment)).toBeUndefined();
    },
  );
});

describe("a client", () => {
  it.each([
    "http://10.0.0.1:8080",
    "http://127.0.0.1.evil.example",
    "http://169.254.169.254",
    "ftp://127.0.0.1",
    "https://user:secret@10.0.0.1",
    "https://10.0.0.1/?x=1",
    "10.0.0.1:443",
    "",
  ])("refuses the URL %j before any token is read", (url) => {
    expect(() => createKubernetesClient({ ...serverOf(api), url })).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_INVALID" }),
    );
    expect(() => createKubernetesClient({ ...serverOf(api), url })).not.toThrow("secret");
  });

  it("speaks as the node when told to, and as its service account else", async () => {
    expect(await client.request(PODS)).toMatchObject({ status: 200, body: { kind: "PodList" } });
    const own = await client.request({ ...PODS, impersonate: undefined });
    expect(own.status).toBe(403);
    expect(api.calls.map(({ impersonate }) => impersonate)).toEqual([NODE, undefined]);
    expect(api.calls[0]?.token).toBe(api.token);
  });

  it("keeps its connection", async () => {
    for (let i = 0; i < 3; i++) await client.request(PODS);
    expect(new Set(api.calls.map(({ port }) => port)).size).toBe(1);
  });

  it("keeps the path of a URL that has one", async () => {
    const behind = createKubernetesClient({
      ...serverOf(api),
      url: `${api.url}/k8s/clusters/c-1/`,
    });
    await behind.request(PODS);
    expect(api.calls[0]?.path).toBe("/k8s/clusters/c-1/api/v1/pods");
    behind.close();
  });

  it("tries once more when the server closes an idle connection just as it is used", async () => {
    let requests = 0;
    await using server = await rawServer((socket) => {
      requests++;
      if (requests === 2) socket.resetAndDestroy();
      else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    });
    expect((await server.client.request(PODS)).status).toBe(200);
    expect((await server.client.request(PODS)).status).toBe(200);
    expect(requests).toBe(3);
    server.client.close();
  });

  it("does not try again on a connection that was new", async () => {
    api.fault({ kind: "reset" });
    await expect(client.request(PODS)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
      message: `cannot reach the API server at ${api.url}: the connection broke (ECONNRESET)`,
    });
    expect(api.calls).toHaveLength(1);
  });

  it("gives up on a server that does not answer, and says so", async () => {
    api.fault({ kind: "blackHole" });
    await expect(client.request({ ...PODS, timeoutMs: 50 })).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
      message: `the API server at ${api.url} did not answer GET /api/v1/pods within 0.05 s`,
    });
  });

  it("gives up within its time-out on a body that never ends", async () => {
    await using server = await rawServer((socket) => socket.write(OK + chunk("{").toString()));
    await expect(server.client.request({ ...PODS, timeoutMs: 50 })).rejects.toThrow(
      "within 0.05 s",
    );
    server.client.close();
  });

  it("uses no idle connection after a time-out, for they may be as dead", async () => {
    let isDead = false;
    await using server = await rawServer((socket) => {
      if (!isDead) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    });
    await Promise.all([1, 2, 3].map(() => server.client.request(PODS)));
    const before = new Set(server.sockets);
    isDead = true;
    await expect(server.client.request({ ...PODS, timeoutMs: 50 })).rejects.toThrow("within");
    isDead = false;
    expect((await server.client.request(PODS)).status).toBe(200);
    await vi.waitFor(() => expect([...before].every(({ destroyed }) => destroyed)).toBe(true));
    server.client.close();
  });

  it("is given up by the signal of whoever asks", async () => {
    api.fault({ kind: "blackHole" });
    const abort = new AbortController();
    const pending = client.request({ ...PODS, signal: abort.signal });
    abort.abort();
    await expect(pending).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(client.request({ ...PODS, signal: abort.signal })).rejects.toMatchObject({
      code: "ERR_CLOSED",
    });
  });

  it.each([
    ["an answer cut off", { kind: "cut" }],
    ["a page of HTML", { kind: "body", status: 200, body: "<html>hello</html>" }],
  ] as const)("throws for %s", async (_, fault) => {
    api.fault(fault);
    await expect(client.request(PODS)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
    });
  });

  it("throws for an answer without end, and does not keep it", async () => {
    const megabyte = chunk(Buffer.alloc(1 << 20, 32));
    let sent = 0;
    await using server = await rawServer((socket) => {
      const more = () => {
        sent++;
        if (!socket.destroyed && sent < 100) socket.write(megabyte, more);
      };
      socket.write(OK, more);
    });
    await expect(server.client.request({ ...PODS, timeoutMs: 30_000 })).rejects.toThrow(
      "an answer of the API server has over 16777216 bytes",
    );
    expect(sent).toBeLessThan(100);
    server.client.close();
  });

  it("hands over the text of an error that is no JSON", async () => {
    api.fault({ kind: "body", status: 429, body: "Too many requests, please try again later." });
    expect(await client.request(PODS)).toEqual({
      status: 429,
      body: "Too many requests, please try again later.",
    });
  });

  it("follows no redirect", async () => {
    await using server = await rawServer((socket) => {
      socket.write(
        `HTTP/1.1 302 Found\r\nLocation: ${api.url}/api/v1/pods\r\nContent-Length: 0\r\n\r\n`,
      );
    });
    expect((await server.client.request(PODS)).status).toBe(302);
    expect(api.calls).toEqual([]);
    server.client.close();
  });

  it("names the address that nobody listens on", async () => {
    await api.stop();
    await expect(client.request(PODS)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
      message: `cannot reach the API server at ${api.url}: the connection is refused (ECONNREFUSED)`,
    });
  });

  it("serves a hundred at once, and is done with them", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => client.request(PODS)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(api.calls.map(({ port }) => port)).size).toBeLessThanOrEqual(16);
  });

  it("has words for a user that cannot be sent", async () => {
    await expect(client.request({ ...PODS, impersonate: "a\r\nX-Evil: 1" })).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
    });
    expect(api.calls).toEqual([]);
  });

  it("refuses what is under way when it is closed, and everything after", async () => {
    api.fault({ kind: "blackHole" });
    const pending = client.request(PODS);
    client.close();
    await expect(pending).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(client.request(PODS)).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });
});

describe("the token of a client", () => {
  it("is read again after a minute, and within it not", async () => {
    let nowMs = 1_000_000;
    const patient = createKubernetesClient({ ...serverOf(api), now: () => nowMs });
    await patient.request(PODS);
    const first = api.token;
    await api.rotateToken();
    await patient.request(PODS);
    nowMs += 60_000;
    await patient.request(PODS);
    patient.close();
    expect(api.calls.map(({ token }) => token)).toEqual([first, first, api.token]);
  });

  it("is read again at once when it is refused, and the request made once more", async () => {
    await client.request(PODS);
    await api.rotateToken(true);
    expect((await client.request(PODS)).status).toBe(200);
    expect(api.calls).toHaveLength(3);
  });

  it("is not tried twice when its file says the same", async () => {
    api.tokens.revoked.add(api.token);
    expect(await client.request(PODS)).toMatchObject({ status: 401, body: { kind: "Status" } });
    expect(api.calls).toHaveLength(1);
  });

  it("is used as it was while its file cannot be read", async () => {
    let nowMs = 0;
    const patient = createKubernetesClient({ ...serverOf(api), now: () => nowMs });
    await patient.request(PODS);
    await writeFile(api.tokenFile, "");
    nowMs += 61_000;
    expect((await patient.request(PODS)).status).toBe(200);
    patient.close();
  });

  it.each([
    ["is missing", undefined],
    ["is empty", ""],
    ["has two lines", "secret-a\nsecret-b"],
    ["is not of this alphabet", "sécret"],
  ])("names its file when it %s, and never quotes it", async (_, text) => {
    const tokenFile = text === undefined ? `${api.tokenFile}-nowhere` : api.tokenFile;
    if (text !== undefined) await writeFile(tokenFile, text);
    const other = createKubernetesClient({ ...serverOf(api), tokenFile });
    const error = await other.request(PODS).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });
    expect(inspect(error)).toContain(tokenFile);
    expect(inspect(error, { depth: 20 })).not.toContain("cret");
    expect(api.calls).toEqual([]);
  });

  it("shows in no inspection of the client, of its errors or of their causes", async () => {
    const seen: unknown[] = [client];
    await client.request(PODS);
    seen.push(await client.request(PODS));
    for (const fault of [
      { kind: "reset" },
      { kind: "cut" },
      { kind: "body", status: 500, body: `you sent ${api.token}` },
      { kind: "status", status: 403, message: `you sent ${api.token}` },
    ] as const) {
      api.heal();
      api.fault(fault);
      seen.push(await client.request(PODS).catch((error: unknown) => error));
      const watch = client.watch({ ...WATCH, signal: new AbortController().signal });
      const lines = watch[Symbol.asyncIterator]();
      seen.push(watch, lines, await lines.next().catch((error: unknown) => error));
    }
    const shown = inspect(seen, { depth: 50, showHidden: true, getters: true });
    expect(shown).not.toContain(api.token);
    expect(shown).not.toContain(api.token.split(".")[2]);
    expect(JSON.stringify(seen)).not.toContain(api.token);
  });
});

describe("the CA of a client", () => {
  it("vouches for the API server", async () => {
    await using secure = await startTls();
    const other = createKubernetesClient(secure);
    expect((await other.request(PODS)).status).toBe(200);
    expect((await other.request(PODS)).status).toBe(200);
    expect(new Set(secure.calls.map(({ port }) => port)).size).toBe(1);
    other.close();
  });

  it("is the only one that does: the token goes to nobody else", async () => {
    await using secure = await startTls();
    await writeFile(secure.caFile, await tls("other-ca.crt"));
    const other = createKubernetesClient(secure);
    await expect(other.request(PODS)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
      message: expect.stringMatching(
        /its certificate is not trusted \(\w+\); check kubernetes.apiServer.caFile$/,
      ),
    });
    expect(secure.calls).toEqual([]);
    other.close();
  });

  it("is read again when it does not fit any more", async () => {
    await using secure = await startTls();
    await writeFile(secure.caFile, await tls("other-ca.crt"));
    const other = createKubernetesClient(secure);
    await expect(other.request(PODS)).rejects.toThrow("not trusted");
    await writeFile(secure.caFile, await tls("ca.crt"));
    expect((await other.request(PODS)).status).toBe(200);
    other.close();
  });

  it.each(["", "\n", "garbage"])("is not the public's when the file is %j", async (text) => {
    await using secure = await startTls();
    await writeFile(secure.caFile, text);
    const other = createKubernetesClient(secure);
    await expect(other.request(PODS)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
      message: expect.stringContaining("it holds no certificate in PEM"),
    });
    other.close();
  });

  it("vouches for names that the certificate has, and for no other", async () => {
    await using secure = await startTls();
    const url = secure.url.replace("127.0.0.1", "127.0.0.2");
    const other = createKubernetesClient({ ...serverOf(secure), url });
    await expect(other.request(PODS)).rejects.toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });
    other.close();
  });
});

describe("a watch", () => {
  it("yields each line until the API server ends it", async () => {
    const { lines } = start();
    const first = await lines.next();
    expect(first.value).toMatchObject({
      type: "ADDED",
      object: { metadata: { name: "crossrole-n1" } },
    });
    api.bookmark();
    expect((await lines.next()).value).toMatchObject({ type: "BOOKMARK" });
    api.endWatches();
    expect((await lines.next()).done).toBe(true);
  });

  it("throws for another status, with the words of the API server and the rule that is missing", async () => {
    const { lines } = start({ impersonate: undefined });
    await expect(lines.next()).rejects.toMatchObject({
      code: "ERR_KUBERNETES_DENIED",
      status: 403,
      message:
        "the API server refused to watch /api/v1/pods (403 Forbidden: pods is forbidden: User " +
        '"system:serviceaccount:crossrole-system:crossrole" cannot watch resource "pods" in API group "" ' +
        "at the cluster scope); the RBAC rule that is missing for " +
        'system:serviceaccount:crossrole-system:crossrole: {apiGroups: [""], resources: [pods], verbs: ["watch"]}',
    });
  });

  it("reads its token again when it is refused", async () => {
    await client.request(PODS);
    await api.rotateToken(true);
    const { lines } = start();
    expect((await lines.next()).value).toMatchObject({ type: "ADDED" });
  });

  it("puts characters together that lie across two packets", async () => {
    const line = Buffer.from(`${JSON.stringify({ type: "ADDED", name: "größe-🦀" })}\n`);
    await using server = await rawServer((socket) => {
      socket.setNoDelay(true).write(OK);
      let at = 0;
      const more = () => {
        if (at < line.length)
          socket.write(chunk(line.subarray(at, ++at)), () => setImmediate(more));
      };
      more();
    });
    const { lines, abort } = start({}, server.client);
    expect((await lines.next()).value).toEqual({ type: "ADDED", name: "größe-🦀" });
    abort.abort();
    server.client.close();
  });

  it("yields many lines of one packet, and nothing of half a line behind them", async () => {
    await using server = await rawServer((socket) => {
      socket.write(OK);
      socket.end(Buffer.concat([chunk('{"a":1}\n{"a":2}\n{"a":'), Buffer.from("0\r\n\r\n")]));
    });
    const { lines } = start({}, server.client);
    expect([await lines.next(), await lines.next(), await lines.next()]).toEqual([
      { value: { a: 1 }, done: false },
      { value: { a: 2 }, done: false },
      { value: undefined, done: true },
    ]);
    server.client.close();
  });

  it("throws for a line without end, and does not keep it", async () => {
    const megabyte = chunk(Buffer.alloc(1 << 20, 32));
    let sent = 0;
    await using server = await rawServer((socket) => {
      const more = () => {
        sent++;
        if (!socket.destroyed && sent < 100) socket.write(megabyte, more);
      };
      socket.write(OK, more);
    });
    const { lines } = start({}, server.client);
    await expect(lines.next()).rejects.toThrow("a line of the API server has over 16777216 bytes");
    expect(sent).toBeLessThan(100);
    server.client.close();
  });

  it("throws for a line that is no JSON, and does not quote it", async () => {
    await using server = await rawServer((socket) =>
      socket.write(OK + chunk("secret\n").toString()),
    );
    const error = await start({}, server.client)
      .lines.next()
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });
    expect(inspect(error)).not.toContain("secret");
    server.client.close();
  });

  it("throws when its connection breaks", async () => {
    const { lines } = start();
    await lines.next();
    api.cutWatches('{"type":"ADDED","object":{');
    await expect(lines.next()).rejects.toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });
  });

  it("throws when nothing comes for too long, and takes any line as a sign of life", async () => {
    const { lines } = start({ idleMs: 300 });
    await lines.next();
    const bookmarks = setInterval(() => api.bookmark(), 20);
    for (const endMs = Date.now() + 900; Date.now() < endMs;) await lines.next();
    clearInterval(bookmarks);
    api.freezeWatches();
    await expect(last(lines)).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
      message: "the API server sent nothing on a watch of /api/v1/pods for 0.3 s",
    });
    await vi.waitFor(() => expect(api.watchCount).toBe(0));
  });

  it("throws when not even the head of an answer comes", async () => {
    api.fault({ kind: "blackHole" });
    await expect(start({ idleMs: 50 }).lines.next()).rejects.toThrow(
      "did not answer a watch of /api/v1/pods within 0.05 s",
    );
  });

  it("ends with its signal, and closes its connection", async () => {
    const { lines, abort } = start();
    await lines.next();
    const next = lines.next();
    abort.abort();
    await expect(next).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await vi.waitFor(() => expect(api.watchCount).toBe(0));
  });

  it("closes its connection when its reader leaves", async () => {
    const { lines } = start();
    await lines.next();
    await lines.return?.();
    await vi.waitFor(() => expect(api.watchCount).toBe(0));
  });

  it("ends when the client is closed", async () => {
    const { lines } = start();
    await lines.next();
    client.close();
    await expect(lines.next()).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });
});
