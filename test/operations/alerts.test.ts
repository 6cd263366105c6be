import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { CrossroleError } from "../../src/errors.ts";
import { createMetrics } from "../../src/operations/metrics.ts";
import type { Observed } from "../../src/operations/state-gauges.ts";
import { ordersReader } from "../support/credentials.ts";
import { askAsSdk, oneRole, start, startSts } from "../support/daemon.ts";
import type { Started } from "../support/daemon.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request } from "../support/http.ts";
import { eventually } from "../support/program.ts";
import { evaluate, groupingsIn, parseExposition, selectorsIn } from "./promql.ts";
import type { Scrape, Value } from "./promql.ts";
import { freePort } from "../support/free-port.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

const folder = path.join(import.meta.dirname, "../../deploy/observability");
const { groups } = parse(await readFile(path.join(folder, "alerts.yaml"), "utf8")) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const exprOf = new Map(rules.map(({ alert, expr }) => [alert, expr]));

let sts: FakeSts;
let started: Started | undefined;
let port: number;
/** What has been scraped, a second apart: an alert looks minutes back. */
let scrapes: Scrape[];

beforeEach(async () => {
  sts = await startSts();
  port = await freePort();
  scrapes = [];
});

afterEach(async () => {
  await started?.daemon.close();
  started = undefined;
  await sts.close();
  vi.unstubAllEnvs();
});

const config = (more = "") => oneRole(sts, `${more}operations: { address: "127.0.0.1:${port}" }`);

async function run(): Promise<Started> {
  started = await start(config());
  return started;
}

async function running(): Promise<Started> {
  const fresh = await run();
  await fresh.daemon.credentials("orders-reader");
  return fresh;
}

/** Adds what /metrics says now to what was scraped, as if the last time had been a second ago. */
async function scrape(): Promise<void> {
  const { body } = await request(`http://127.0.0.1:${port}`, "/metrics");
  add(body);
}

function add(exposition: string): void {
  scrapes = scrapes.map(({ at, ...rest }) => ({ at: at - 1, ...rest }));
  scrapes.push({ at: Date.now() / 1000, exposition });
}

/** The alerts whose expression has a value now. */
function firing(): string[] {
  return rules.filter(({ expr }) => evaluate(expr, scrapes).length > 0).map(({ alert }) => alert);
}

function valuesOf(alert: string): Value[] {
  return evaluate(exprOf.get(alert) ?? "", scrapes);
}

/** Scrapes until it fires: STS is asked again after a second or two. */
async function untilFiring(alert: string): Promise<void> {
  await eventually(async () => {
    await scrape();
    expect(firing()).toContain(alert);
  });
}

describe("every alert", () => {
  it("has a severity, and says what is the matter and what to do", () => {
    expect(rules.length).toBeGreaterThan(12);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels, annotations } of rules) {
      expect(["critical", "warning", "info"]).toContain(labels.severity);
      expect(annotations.summary).toMatch(/^\S.{15,}$/);
      expect(annotations.runbook).toMatch(/^\S.{30,}[.]$/s);
    }
  });

  it("is silent while all is well, of a busy daemon too", async () => {
    const { url } = await running();
    await scrape();
    for (let index = 0; index < 20; index++) await askAsSdk(url);
    await scrape();

    expect(firing()).toEqual([]);
  });
});

describe("an alert fires", () => {
  it("when nothing is scraped", () => {
    add("");

    expect(firing()).toEqual(["CrossroleAbsent"]);
  });

  it("when a role is denied: not ready, down, and why", async () => {
    sts.fault({ kind: "accessDenied" });
    await run();
    await untilFiring("CrossroleDenied");

    expect(firing()).toEqual(["CrossroleNotReady", "CrossroleRoleDown", "CrossroleDenied"]);
    expect(valuesOf("CrossroleRoleDown")).toMatchObject([{ labels: { role: "orders-reader" } }]);
  });

  it("when what is held is about to expire", async () => {
    sts.lifeSeconds = 600;
    await running();
    await scrape();

    expect(firing()).toEqual(["CrossroleCredentialsExpireSoon"]);
  });

  it("when what is held cannot be renewed, because STS throttles", async () => {
    sts.lifeSeconds = 10;
    await running();
    sts.fault({ kind: "throttle" });
    await untilFiring("CrossroleRenewalFailing");
    expect(firing()).not.toContain("CrossroleNotReady");

    await untilFiring("CrossroleStsThrottled");
  });

  it("when STS cannot be reached", async () => {
    sts.fault({ kind: "reset" });
    await run();

    await untilFiring("CrossroleStsUnavailable");
    expect(firing()).toContain("CrossroleNotReady");
  });

  it("when there are no base credentials", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    await run();

    await untilFiring("CrossroleBaseUnavailable");
    expect(firing()).toContain("CrossroleNotReady");
  });

  it("when an application gets an error", async () => {
    sts.fault({ kind: "unavailable" });
    const { url } = await run();
    const refused = async () => expect((await askAsSdk(url)).status).toBe(500);
    await refused();
    await scrape();
    await refused();
    await scrape();

    expect(valuesOf("CrossroleErrorsServed")).toMatchObject([{ labels: { route: "role_list" } }]);
  });

  it("when somebody asks who may not", async () => {
    const { url } = await running();
    const ask = () => request(url, "/latest", { headers: { host: "evil.example" } });
    await ask();
    await scrape();
    for (let index = 0; index < 11; index++) await ask();
    await scrape();

    expect(firing()).toEqual(["CrossroleRequestsRefused"]);
    expect(valuesOf("CrossroleRequestsRefused")).toMatchObject([
      { labels: { listener: "127.0.0.1:0#0", code: "ERR_HOST_REFUSED" }, value: 11 },
    ]);
  });

  it("when a changed configuration is refused", async () => {
    const { daemon } = await running();
    daemon.refusedReload(new Error("a bad file"));
    await scrape();

    expect(firing()).toEqual(["CrossroleReloadFailed"]);
  });

  it("when the clock is off STS's, either way", async () => {
    sts.clockOffsetMs = 120_000;
    await running();
    await scrape();
    expect(firing()).toEqual(["CrossroleClockSkew"]);

    await started?.daemon.close();
    sts.clockOffsetMs = -120_000;
    await running();
    await scrape();
    expect(firing()).toEqual(["CrossroleClockSkew"]);
  });

  it("when the event loop is late", async () => {
    await running();
    await scrape();
    const endMs = performance.now() + 900;
    while (performance.now() < endMs) continue;
    await pause(60);
    await scrape();

    expect(firing()).toEqual(["CrossroleEventLoopLag"]);
  });
});

const seen = (agoMs: number) => ({ count: 1, contactMs: Date.now() - agoMs });

describe("an alert fires of what takes long to bring about", () => {
  const silent: Observed = {
    version: "1.0.0",
    node: "v24.0.0",
    startedMs: 0,
    isReady: true,
    roles: [],
    listeners: [{ key: "127.0.0.1:9911", isUp: true }],
    sessions: 0,
    requests: [],
    saved: { memory: 0, shared: 0 },
    clockSkewMs: 0,
    reload: { takenOverMs: 0, isRefused: false },
  };

  /** Metrics as the daemon has them, scraped before and after `happen`. */
  async function around(
    happen: (metrics: Awaited<ReturnType<typeof createMetrics>>) => void,
    observed: Partial<Observed> = {},
  ): Promise<string[]> {
    const metrics = await createMetrics();
    metrics.observe(() => ({ ...silent, ...observed }));
    happen(metrics);
    add((await metrics.exposition()).body);
    happen(metrics);
    add((await metrics.exposition()).body);
    return firing();
  }

  it.each([
    ["CrossroleListenerDown", { listeners: [{ key: "127.0.0.1:9911", isUp: false }] }],
    ["CrossroleNotReady", { isReady: false }],
  ] as const)("%s", async (alert, observed) => {
    expect(await around(() => undefined, observed)).toEqual([alert]);
  });

  it("CrossroleStsSlow", async () => {
    const slow = { operation: "AssumeRole", code: "OK", elapsedMs: 4_000 };
    const quick = { ...slow, elapsedMs: 80 };

    expect(await around(({ stsCall }) => stsCall(slow))).toEqual(["CrossroleStsSlow"]);
    scrapes = [];
    expect(await around(({ stsCall }) => stsCall(quick))).toEqual([]);
  });

  it("CrossroleWatchContactLost", async () => {
    expect(await around(({ observePods }) => observePods(() => seen(200_000)))).toEqual([
      "CrossroleWatchContactLost",
    ]);
    scrapes = [];
    expect(await around(({ observePods }) => observePods(() => seen(60_000)))).toEqual([]);
  });

  it("CrossroleTokenlessRequests", async () => {
    expect(await around(({ imdsV1 }) => imdsV1("orders-reader"))).toEqual([
      "CrossroleTokenlessRequests",
    ]);
  });

  it("CrossroleDenied, of a pod's token too", async () => {
    const error = new CrossroleError("ERR_KUBERNETES_DENIED", "no");
    const event = { type: "failed", source: ordersReader, error, retryInMs: 1 } as const;

    expect(await around(({ credentials }) => credentials({ ...event, remainingMs: 0 }))).toEqual([
      "CrossroleDenied",
    ]);
  });
});

/** Given by Prometheus to whatever it scrapes. */
const TARGET_LABELS = ["instance", "job"];

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** As Grafana fills them in. */
const filled = (expr: string) =>
  expr.replaceAll("$__rate_interval", "5m").replaceAll(/"\$(instance|role)"/g, '".*"');

describe("the dashboard", async () => {
  const board = JSON.parse(await readFile(path.join(folder, "dashboard.json"), "utf8")) as {
    readonly panels: readonly Panel[];
    readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  };
  const { panels } = board;
  const targets = panels.flatMap((panel) => panel.targets ?? []);
  it("has panels that do not lie on each other, each with a name of its own and a word on it", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)}/${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (const { title, description } of panels.filter(({ type }) => type !== "row")) {
      expect(`${title}: ${description}`).toMatch(/: \S+ \S+/);
    }
  });

  it("asks for nothing that a running daemon does not say", async () => {
    const { url } = await running();
    await askAsSdk(url);
    await askAsSdk(url);
    await scrape();
    await askAsSdk(url);
    await scrape();
    const empty = targets.filter(({ expr }) => evaluate(filled(expr), scrapes).length === 0);

    // What none has of these is right: no client without a token, no pods, nothing refused.
    expect(empty.map(({ expr }) => selectorsIn(filled(expr))[0]?.name)).toEqual([
      "crossrole_config_last_reload_successful",
      "crossrole_requests_refused_total",
      "crossrole_imdsv1_requests_total",
      "crossrole_pods",
      "crossrole_watch_last_contact_seconds",
    ]);
  });

  it.each([
    ...rules.map(({ alert, expr, annotations }) => [
      alert,
      expr,
      Object.values(annotations).join(" "),
    ]),
    ...targets.map(({ expr, legendFormat }) => [expr, filled(expr), legendFormat]),
    ...board.annotations.list.map(({ expr }) => [expr, filled(expr), ""]),
  ] as [string, string, string][])(
    "and the alerts name what there is: %s",
    async (_, expr, text) => {
      const known = await everything();
      for (const { name, matchers } of selectorsIn(expr)) {
        const labels = known.get(name);
        expect([...known.keys()]).toContain(name);
        const named = matchers.map(({ label }) => label);
        for (const label of [...named, ...groupingsIn(expr)])
          expect([...(labels ?? []), ...TARGET_LABELS]).toContain(label);
        const shown = [...text.matchAll(/\{\{ ?(?:\$labels\.)?(\w+) ?\}\}/g)].map(([, one]) => one);
        for (const label of shown) expect([...(labels ?? []), ...TARGET_LABELS]).toContain(label);
      }
    },
  );
});

/** Every name of a series, with its labels: of metrics of which each has happened once. */
async function everything(): Promise<ReadonlyMap<string, readonly string[]>> {
  const metrics = await createMetrics();
  const error = new CrossroleError("ERR_ROLE_DENIED", "no");
  metrics.refused("127.0.0.1:9911", error);
  metrics.imdsV1("orders-reader");
  metrics.stsCall({ operation: "AssumeRole", code: "OK", elapsedMs: 1 });
  metrics.reloaded(true);
  metrics.observePods(() => ({ count: 1, contactMs: Date.now() }));
  const expirationMs = Date.now() + 3_600_000;
  metrics.observe(() => ({
    version: "1.0.0",
    node: "v24.0.0",
    startedMs: 0,
    isReady: true,
    roles: [{ name: "orders-reader", state: "ok", isReady: true, expirationMs }],
    listeners: [{ key: "127.0.0.1:9911", isUp: true }],
    sessions: 1,
    requests: [{ route: "credentials", status: 200, count: 1 }],
    saved: { memory: 1, shared: 1 },
    clockSkewMs: 0,
    reload: { takenOverMs: 0, isRefused: false },
  }));
  const { temporaryCredentials } = await import("../support/credentials.ts");
  const event = { type: "obtained", source: ordersReader, elapsedMs: 1, renewal: false } as const;
  metrics.credentials({ ...event, credentials: temporaryCredentials() });
  const samples = parseExposition((await metrics.exposition()).body);
  return new Map(samples.map(({ name, labels }) => [name, Object.keys(labels)]));
}
