import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { askAsSdk, GATEWAY, oneRole, ORDERS_READER, start, startSts } from "../support/daemon.ts";
import type { Started } from "../support/daemon.ts";
import { CANARY } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request } from "../support/http.ts";
import { startPodScene } from "../support/pod-scene.ts";
import { eventually } from "../support/program.ts";
import { freePort } from "../support/free-port.ts";
import { EventsOf, statusAt } from "./support.ts";

let sts: FakeSts;
let started: Started;
let port: number;
let operations: string;

beforeEach(async () => {
  sts = await startSts();
  port = await freePort();
  operations = `http://127.0.0.1:${port}`;
  started = await start(config());
});

afterEach(async () => {
  await started.daemon.close();
  await sts.close();
  vi.unstubAllEnvs();
});

const config = () => oneRole(sts, `operations: { address: "127.0.0.1:${port}" }`);
const status = () => statusAt(operations);
const page = (headers = {}) => request(operations, "/", { headers });

describe("/status.json", () => {
  it("shows each role's chain with what is held of every step, and who holds it", async () => {
    await started.daemon.credentials("orders-reader");
    const { body } = await askAsSdk(started.url);
    const { AccessKeyId } = JSON.parse(body) as { AccessKeyId: string };
    const { roles, ready, problems, host } = await status();

    expect({ ready, problems, host }).toEqual({ ready: true, problems: [], host: "host" });
    expect(roles).toHaveLength(1);
    expect(roles[0]).toMatchObject({
      name: "orders-reader",
      arn: ORDERS_READER,
      state: "ok",
      ready: true,
      servedAt: [started.url],
      callers: [{ caller: `uid:${process.getuid?.()}`, accessKeyId: AccessKeyId }],
      chain: [
        { kind: "base", name: "hub", detail: "environment variables" },
        { kind: "role", name: "gateway", detail: GATEWAY, account: "111111111111" },
        {
          kind: "role",
          name: "orders-reader",
          account: "222222222222",
          sessionName: "crossrole-host",
          held: {
            accessKeyId: AccessKeyId,
            stsRequestId: "c6104cbe-af31-11e0-8154-cbc7ccf896c7",
            lifeSeconds: expect.any(Number),
          },
        },
      ],
    });
  });

  it("says in words why a role has no credentials, and when it is tried again", async () => {
    await started.daemon.close();
    sts.fault({ kind: "accessDenied", roleArn: ORDERS_READER });
    started = await start(config());
    await eventually(async () => expect((await status()).roles[0]?.state).toBe("down"));
    const { roles, ready, problems } = await status();

    expect(ready).toBe(false);
    expect(problems).toEqual(["role orders-reader has not been obtained yet"]);
    expect(roles[0]?.failure).toMatchObject({
      code: "ERR_ROLE_DENIED",
      message: expect.stringMatching(/^STS refused AssumeRole of .*orders-reader/),
    });
    expect(roles[0]?.chain[1]?.failure).toBeUndefined();
  });

  it("tells of a configuration that was refused, until one is taken over", async () => {
    await started.daemon.credentials("orders-reader");
    started.daemon.refusedReload(new Error("crossrole.yaml has 1 problem"));
    const refused = await status();
    await started.daemon.reload(config());

    expect(refused.configuration.refused?.reason).toBe("crossrole.yaml has 1 problem");
    expect(refused.problems).toEqual([
      "a changed configuration was refused; the one before is in force",
    ]);
    expect((await status()).configuration.refused).toBeUndefined();
  });

  it("has the last lines of the log, whatever its level, and a flood of refusals pushes out no hand-out", async () => {
    await started.daemon.credentials("orders-reader");
    await askAsSdk(started.url);
    for (let index = 0; index < 60; index++) await request(started.url, "/latest");
    const { recent } = await status();
    const events = recent.map(({ event }) => event);

    expect(events.filter((event) => event === "credentials handed out")).toHaveLength(1);
    expect(events.filter((event) => event.includes("refused")).length).toBeLessThanOrEqual(25);
    expect(recent.map(({ at }) => at)).toEqual(
      recent
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    );
  });

  it("shows the pods of a node with their roles, and by name who holds what", async () => {
    const podPort = await freePort();
    const rules = `
associations:
  - { namespace: team-a, serviceAccount: reader, role: reader }
  - { namespace: team-a, serviceAccount: denied, role: reader }
operations: { address: "127.0.0.1:${podPort}" }`;
    await using scene = await startPodScene({ rules });
    scene.addPod("web-1", "127.0.0.11");
    scene.addPod("job-1", "127.0.0.12", { serviceAccount: "denied" });
    scene.addPod("other-1", "127.0.0.13", { serviceAccount: "other" });
    await eventually(async () => expect((await scene.ask("127.0.0.11")).status).toBe(200));
    const pods = `http://127.0.0.1:${podPort}`;
    await eventually(async () => {
      const named = new Map((await statusAt(pods)).pods?.pods.map((pod) => [pod.name, pod.state]));
      expect(named.get("job-1")).toBe("down");
    });
    const report = await statusAt(pods);

    expect(report.problems).toContain(
      `1 of ${report.pods?.pods.length} pods could not be given credentials`,
    );
    expect(report.pods?.pods.find(({ name }) => name === "web-1")).toMatchObject({
      namespace: "team-a",
      serviceAccount: "reader",
      role: "reader",
      state: "ok",
      held: { accessKeyId: expect.stringMatching(/^ASIA/) },
    });
    expect(report.pods?.pods.find(({ name }) => name === "other-1")?.state).toBe("none");
    expect(report.roles.find(({ name }) => name === "reader")).toMatchObject({
      chain: [{ kind: "pod" }, { kind: "role" }],
      callers: [{ pod: "team-a/web-1" }],
    });
  });

  it.each(["/status.json", "/", "/metrics", "/readyz"])("holds no secret at %s", async (path) => {
    await started.daemon.credentials("orders-reader");
    await askAsSdk(started.url);
    sts.fault({ kind: "accessDenied" });
    await started.daemon.reload(
      oneRole(
        sts,
        `  - { address: "127.0.0.1:0", role: orders-reader }
operations: { address: "127.0.0.1:${port}" }`,
      ),
    );
    const { body } = await request(operations, path);

    expect(body.length).toBeGreaterThan(0);
    expect(body).not.toContain(CANARY);
    expect(body).not.toContain(process.env["AWS_SECRET_ACCESS_KEY"]);
  });
});

describe("the status page", () => {
  it("is one document with a policy that lets in nothing but its own script and style", async () => {
    const { status: code, headers, body } = await page();
    const policy = headers["content-security-policy"];
    const digestOf = (tag: string) => {
      const text = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(body)?.[1] ?? "";
      return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
    };

    expect(code).toBe(200);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(policy).toBe(
      `default-src 'none'; script-src ${digestOf("script")}; style-src ${digestOf("style")}; ` +
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    });
    expect(body).toMatch(/^<!doctype html><html lang="en">/);
    expect(body).not.toMatch(/ (style|on\w+)=|<(img|iframe|object|embed|base)\b/);
    expect(
      [...body.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url?.slice(0, 5)),
    ).toEqual(["data:", "#main"]);
  });

  it("shows whatever a caller writes as text", async () => {
    const markup = `<img src=x onerror=alert(1)>"'&`;
    await request(started.url, "/latest", { headers: { "user-agent": markup } });
    const { body } = await page();

    expect(body).toContain("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;");
    expect(body).not.toContain("<img");
  });

  it.each([
    ["a link or a bookmark", { "sec-fetch-site": "none", "sec-fetch-mode": "navigate" }],
    ["itself, reloaded", { "sec-fetch-site": "same-origin", "sec-fetch-dest": "document" }],
    ["a browser with cookies of another port", { cookie: "session=1" }],
  ])("is shown to %s", async (_, headers) => {
    expect((await page(headers)).status).toBe(200);
  });

  it.each([
    ["a page of another site", { "sec-fetch-site": "cross-site" }],
    ["a page of another port", { "sec-fetch-site": "same-site" }],
    ["a page that says two things", { "sec-fetch-site": ["none", "cross-site"] }],
    ["a script of another origin", { origin: "http://evil.example" }],
    ["a sandboxed frame", { origin: "null" }],
    ["a link of a site without fetch metadata", { referer: "http://evil.example/" }],
    ["a site that begins like this one", { referer: "HOST.evil.example/" }],
    ["a name that was rebound", { host: "evil.example", "sec-fetch-site": "same-origin" }],
    ["a proxy", { "x-forwarded-for": "10.0.0.1" }],
  ])("is refused to %s, and so are its events", async (_, given) => {
    const headers = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [
        name,
        typeof value === "string" ? value.replace("HOST", operations) : value,
      ]),
    );
    for (const path of ["/", "/events"]) {
      expect(await request(operations, path, { headers })).toMatchObject({ status: 403, body: "" });
    }
  });

  it("lets no browser at anything else", async () => {
    const headers = { "sec-fetch-site": "same-origin" };
    for (const path of [
      "/status.json",
      "/metrics",
      "/healthz",
      "/readyz",
      "/?",
      "//",
      "/events?x",
    ]) {
      expect((await request(operations, path, { headers })).status).toBe(403);
    }
    expect((await request(operations, "/", { headers, method: "PUT" })).status).toBe(403);
  });
});

describe("the streams", () => {
  it("send what is so now, and again when it has changed", async () => {
    await started.daemon.credentials("orders-reader");
    await using events = await EventsOf.open(operations, "/events", {
      "sec-fetch-site": "same-origin",
    });
    await eventually(() => expect(events.data.at(-1)?.["title"]).toBe("✓ crossrole on host"));

    started.daemon.refusedReload(new Error("a bad file"));

    await eventually(() => {
      expect(events.data.at(-1)).toMatchObject({
        title: "! crossrole on host",
        announcement: expect.stringContaining("1 thing needs attention"),
        html: expect.stringContaining("a bad file"),
      });
    });
    expect(events.response.headers["content-type"]).toBe("text/event-stream");
    expect(events.text).not.toContain(CANARY);
  });

  it("send the JSON to whoever says so", async () => {
    await using events = await EventsOf.open(operations, "/status.json", {
      accept: "text/event-stream",
    });

    await eventually(() => expect(events.data[0]).toMatchObject({ host: "host" }));
  });

  it("are sixteen at most, and end with whoever leaves", async () => {
    const all = await Promise.all(
      Array.from({ length: 16 }, () => EventsOf.open(operations, "/events")),
    );
    expect(await request(operations, "/events")).toMatchObject({
      status: 503,
      body: "too many watch already\n",
    });
    await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));

    await eventually(async () => {
      await using next = await EventsOf.open(operations, "/events");
      expect(next.response.statusCode).toBe(200);
    });
  });

  it("end with the daemon", async () => {
    await using events = await EventsOf.open(operations, "/events");
    await started.daemon.close();

    await eventually(() => expect(events.ended).toBe(true));
    started = await start(config());
  });

  it("are not begun by HEAD", async () => {
    const { status: code, body } = await request(operations, "/events", { method: "HEAD" });
    expect({ code, body }).toEqual({ code: 200, body: "" });
  });
});
