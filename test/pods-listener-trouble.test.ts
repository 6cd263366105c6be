import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { startDaemon } from "../src/daemon.ts";
import { NodeApi } from "../src/node-api.ts";
import { memoryLog } from "./support/daemon.ts";
import { request } from "./support/http.ts";
import { READER, startPodScene, WRITER } from "./support/pod-scene.ts";
import type { PodScene } from "./support/pod-scene.ts";
import { freePort } from "./support/free-port.ts";

let scene: PodScene | undefined;

afterEach(async () => {
  vi.useRealTimers();
  await scene?.[Symbol.asyncDispose]();
  scene = undefined;
});

async function start(...[options]: Parameters<typeof startPodScene>): Promise<PodScene> {
  scene = await startPodScene(options);
  return scene;
}

/** The role of the credentials that a process at `address` gets, or the status of the refusal. */
async function roleAt(at: PodScene, address: string): Promise<string | number> {
  const { sts } = at;
  const { status, body } = await at.ask(address);
  if (status !== 200) return status;
  const { AccessKeyId } = JSON.parse(body) as { AccessKeyId: string };
  return sts.calls.find(({ issued }) => issued === AccessKeyId)?.parameters["RoleArn"] ?? "";
}

const IRSA = {
  rules: "",
  kubernetes: `annotations: { irsa: { roles: ["arn:aws:iam::222222222222:role/*"] } }`,
};

describe("access to the API server", () => {
  it("is found out: as itself where impersonation is refused", async () => {
    const started = await start({ api: { grants: { impersonation: false, rbac: true } } });
    started.addPod("web-1", "127.0.0.11");

    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
    expect(started.log.lines).toContainEqual(
      expect.objectContaining({
        event: "watching pods",
        fields: { access: "rbac", attestation: "address" },
      }),
    );
  });

  it("that is refused in every way is said with what to apply, and nobody is served", async () => {
    const started = await start({ api: { grants: { impersonation: false, rbac: false } } });
    started.addPod("web-1", "127.0.0.11");

    expect(await request(started.url, "/latest/api/token", put("127.0.0.11"))).toMatchObject({
      status: 500,
      body: "",
    });
    expect(started.log.lines).toContainEqual(
      expect.objectContaining({
        event: "Kubernetes",
        fields: { reason: expect.stringMatching(/impersonation needs .* rbac needs /) },
      }),
    );
  });

  it("with another node's token is refused at the start", async () => {
    const started = await start({ api: { node: "n2" } }).catch((error: unknown) => error);

    expect(started).toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("was issued on node n2"),
    });
  });

  it("is not looked for where nobody says the node", async () => {
    const started = await start();
    const config = started.configOf();
    if (config.kubernetes === undefined) throw new TypeError("it is for pods");
    const nowhere = { ...config, kubernetes: { ...config.kubernetes, node: undefined } };

    const options = { environment: {}, hostname: "host", log: memoryLog(), uid: 0 };
    await expect(
      startDaemon({ ...options, config: nowhere, socketTables: undefined }),
    ).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("NODE_NAME"),
    });
  });
});

describe("while the API server is away", () => {
  it("pods that are known are served, also on new connections", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);

    await started.api.stop();

    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
  });

  it("nothing is lost: what has happened meanwhile is known when it is back", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    await started.ask("127.0.0.11");
    await started.api.stop();
    started.api.world.deletePod("team-a", "web-1");
    started.addPod("db-1", "127.0.0.11", { serviceAccount: "writer" });

    await started.api.start();

    await vi.waitFor(async () => expect(await roleAt(started, "127.0.0.11")).toBe(WRITER), {
      timeout: 10_000,
    });
  });
});

describe("a pod that was replaced behind the back of the watch", () => {
  it("is found out by the token request: the old pod's metadata token is refused, and a new one serves", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    const started = await start(IRSA);
    started.addPod("web-1", "127.0.0.11");
    expect(await roleAt(started, "127.0.0.11")).toBe(404);
    started.api.freezeWatches();
    started.api.world.deletePod("team-a", "web-1");
    const uid = started.addPod("web-1", "127.0.0.11");
    annotate(started);
    // What was read of the service account is good for half a minute, and a refusal for 5 s.
    vi.advanceTimersByTime(31_000);

    expect(await roleAt(started, "127.0.0.11")).toBe(401);
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
    const tokens = started.api.calls.filter(({ path }) => path.endsWith("/token"));
    expect(tokens.map(({ body }) => JSON.stringify(body).includes(uid))).toEqual([false, true]);
  });
});

describe("processes of the node that are no pod's", () => {
  it("cannot make the API server be asked without end, and keep no pod from being found", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
    started.api.freezeWatches();
    started.addPod("web-2", "127.0.0.12");
    const lists = () => started.api.calls.filter(isList).length;
    const before = lists();
    const startedMs = performance.now();

    const strangers = Array.from({ length: 100 }, (_, index) =>
      request(started.url, "/latest/api/token", put(`127.0.1.${1 + (index % 20)}`)),
    );
    const found = await roleAt(started, "127.0.0.12");
    const answers = await Promise.all(strangers);

    expect(found).toBe(READER);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([500]));
    const seconds = (performance.now() - startedMs) / 1_000;
    expect(lists() - before).toBeLessThanOrEqual(2 + 2 * seconds);
  });
});

function isList({ path, query }: { path: string; query: Readonly<Record<string, string>> }) {
  return path === "/api/v1/pods" && query["watch"] === undefined;
}

/** The pod called `name` asks with its own token. */
function show(at: PodScene, name: string) {
  const pod = at.api.world.pods.get(`team-a/${name}`);
  const of = { namespace: "team-a", serviceAccount: "reader", ...(pod && { pod }) };
  const headers = { Authorization: at.api.tokens.issue(of, ["sts.amazonaws.com"]) };
  return request(at.url, "/v1/credentials", { headers });
}

describe("a pod's own token", () => {
  it("serves before the watch has told of the pod", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    await roleAt(started, "127.0.0.11");
    started.api.fault({ kind: "reset", path: "watch=1" });
    started.api.cutWatches();
    await vi.waitFor(() => expect(started.api.watchCount).toBe(0));
    started.addPod("web-2", "127.0.0.12");

    expect((await show(started, "web-2")).status).toBe(200);
  });

  it("is put off, and not refused, while no pod is known and none can be looked for", async () => {
    const started = await start({ api: { grants: { impersonation: false, rbac: false } } });
    started.addPod("web-1", "127.0.0.11");

    const { status, body } = await show(started, "web-1");

    expect(status).toBe(500);
    expect(JSON.parse(body)).toMatchObject({ code: "ERR_CALLER_PENDING" });
  });
});

it("a pod takes no more than 64 connections, and leaves all others to the rest", async () => {
  const started = await start();
  started.addPod("web-1", "127.0.0.11");
  started.addPod("web-2", "127.0.0.12");
  const { port } = new URL(started.url);
  const sockets = Array.from({ length: 70 }, () =>
    connect({ host: "127.0.0.1", port: Number(port), localAddress: "127.0.0.11" }),
  );
  let closed = 0;
  for (const socket of sockets) socket.on("error", () => undefined).once("close", () => closed++);

  await vi.waitFor(() => expect(closed).toBe(6));
  expect(await roleAt(started, "127.0.0.12")).toBe(READER);
  expect(started.log.lines).toContainEqual(
    expect.objectContaining({
      fields: expect.objectContaining({
        reason: "there is no connection to be had: the peer has 64 already",
      }),
    }),
  );
  for (const socket of sockets) socket.destroy();
});

describe("a reload", () => {
  it("takes a role away at once, and gives another", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);

    await started.daemon.reload(
      started.configOf("associations: [{ namespace: team-a, serviceAccount: '*', role: writer }]"),
    );
    expect(await roleAt(started, "127.0.0.11")).toBe(WRITER);

    await started.daemon.reload(started.configOf(""));
    expect(await roleAt(started, "127.0.0.11")).toBe(404);
  });

  it("that changes the way to the API server leaves pods served until the new way is there", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
    started.sts.fault({ kind: "unavailable" });
    const config = started.configOf();
    if (config.kubernetes === undefined) throw new TypeError("it is for pods");

    // Not granted here.
    await started.daemon.reload({
      ...config,
      kubernetes: { ...config.kubernetes, access: "rbac" },
    });
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);

    started.api.grants.rbac = true;
    await vi.waitFor(
      () => expect(started.log.lines.map(({ fields }) => fields["access"])).toContain("rbac"),
      { timeout: 20_000 },
    );
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
  });

  it("that fails leaves nothing open of the way to the API server that it had found", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
    await using taken = await occupied();
    const config = started.configOf();
    const [listener] = config.listeners;
    if (config.kubernetes === undefined || listener === undefined) throw new TypeError("for pods");
    const kubernetes = { ...config.kubernetes, events: false };
    const elsewhere = { ...listener, address: { ...listener.address, port: taken.port } };
    const open = vi.spyOn(NodeApi, "open");

    const failing = { ...config, kubernetes, listeners: [...config.listeners, elsewhere] };
    await expect(started.daemon.reload(failing)).rejects.toMatchObject({
      code: "ERR_LISTEN_FAILED",
    });

    const [api] = await Promise.all(open.mock.results.map(({ value }) => value));
    open.mockRestore();
    await expect(api?.list({})).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(started.api.watchCount).toBe(1);
    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
  });

  it("that takes the listener away ends the watch, and one that brings it back begins anew", async () => {
    const started = await start();
    await vi.waitFor(() => expect(started.api.watchCount).toBe(1));
    const config = started.configOf();

    await started.daemon.reload({ ...config, listeners: [], kubernetes: undefined });
    await vi.waitFor(() => expect(started.api.watchCount).toBe(0));

    await started.daemon.reload(config);
    await vi.waitFor(() => expect(started.api.watchCount).toBe(1));
  });
});

describe("IRSA's annotation on the service account", () => {
  it("gives its role without a change to any manifest", async () => {
    const started = await start(IRSA);
    annotate(started);
    started.addPod("web-1", "127.0.0.11");

    expect(await roleAt(started, "127.0.0.11")).toBe(READER);
  });
});

it("/readyz says no until the pods are known, and /healthz does not care", async () => {
  const port = await freePort();
  const operations = `http://127.0.0.1:${port}`;
  const started = await start({
    rules: `operations: { address: "127.0.0.1:${port}" }`,
    api: { grants: { impersonation: false, rbac: false } },
  });
  expect(await request(operations, "/healthz")).toMatchObject({ status: 200 });
  expect(await request(operations, "/readyz")).toMatchObject({
    status: 503,
    body: "the pods of this node are not known yet\n",
  });

  started.api.grants.rbac = true;

  await vi.waitFor(
    async () => expect(await request(operations, "/readyz")).toMatchObject({ status: 200 }),
    { timeout: 20_000, interval: 200 },
  );
  const { body } = await request(operations, "/metrics");
  expect(body).toMatch(/^crossrole_pods 1$/m);
  expect(body).toMatch(/^crossrole_watch_last_contact_seconds /m);
});

/** A port that somebody else listens at. */
async function occupied() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: async () => void (await once(server.close(), "close")) };
}

function annotate({ api }: PodScene): void {
  const annotations = { "eks.amazonaws.com/role-arn": READER };
  api.world.addServiceAccount("team-a", "reader", annotations);
}

function put(from: string) {
  return {
    method: "PUT",
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
    from,
  };
}
