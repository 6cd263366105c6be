/** @module The operations listener: is it alive, is it ready, what has it counted, and the status page. */
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { askedBy, send } from "../http/answer.ts";
import type { Answer, OnRefused } from "../http/answer.ts";
import { rawTarget, routes, WITHOUT_BODIES } from "../http/face.ts";
import type { FaceEnv } from "../http/face.ts";
import type { ListenOptions } from "../http/listener.ts";
import type { RequestCounts } from "../http/request-counts.ts";
import { decodeSegment, pathOf } from "../http/target.ts";
import { httpStatus, messageOf } from "../errors.ts";
import type { Live } from "./live.ts";
import type { Metrics } from "./metrics.ts";
import type { StatusReport } from "./status.ts";

const TEXT = { "Content-Type": "text/plain; charset=utf-8" };
const JSON_TYPE = { "Content-Type": "application/json", "Cache-Control": "no-store" };
const READY_PATH = "/readyz/";

/** What a browser may ask for; everything else is for probes, Prometheus and programs. */
const PAGES: ReadonlySet<string> = new Set(["/", "/events"]);

export interface OperationsOptions {
  readonly metrics: Metrics;
  readonly counts: RequestCounts;
  readonly live: Live;
  /** Which listeners do not answer: a line each. */
  readonly unhealthy: () => readonly string[];
  /** Why callers cannot be served yet: a line each. */
  readonly unready: () => readonly string[];
  /** The same of one role; undefined when it is ready, null for what no listener serves. */
  readonly roleUnready: (name: string) => string | undefined | null;
  readonly report: () => StatusReport;
  readonly onRefused: OnRefused;
}

/** What to listen with at `address`: the same guard as on every listener, and no credentials. */
export function operationsListener(
  address: { readonly host: string; readonly port: number },
  options: OperationsOptions,
): ListenOptions {
  const { onRefused } = options;
  const answer = getRequestListener(operationsApp(options).fetch, WITHOUT_BODIES);
  return {
    ...address,
    hosts: () => [],
    pages: PAGES,
    onRefused,
    handle: (request, response) => {
      answer(request, response).catch((error: unknown) => onRefused(error, askedBy(request)));
    },
  };
}

/**
 * `/healthz` says that the process answers and its listeners do, and nothing of STS: an outage of
 * STS must not become a storm of restarts. `/readyz` says whether whoever asks can be served,
 * `/readyz/ROLE` the same of one role. `/metrics` is for Prometheus, `/` for people, `/status.json`
 * for programs; the two streams tell of changes.
 */
function operationsApp(options: OperationsOptions): Hono<FaceEnv> {
  const { metrics, unhealthy, unready, roleUnready, report, onRefused, counts } = options;
  const app = new Hono<FaceEnv>({ getPath: (_, init) => pathOf(rawTarget(init)) ?? "" });
  const route = routes(onRefused, failed, counts);
  app.get(
    "/healthz",
    route("healthz", () => okUnless(unhealthy())),
  );
  app.get(
    "/readyz",
    route("readyz", () => okUnless(unready())),
  );
  app.get(
    `${READY_PATH}:role`,
    route("readyz", ({ url = "" }) => {
      const reason = roleUnready(decodeSegment(pathOf(url)?.slice(READY_PATH.length) ?? "") ?? "");
      return reason === null ? notFound() : okUnless(reason === undefined ? [] : [reason]);
    }),
  );
  app.get(
    "/metrics",
    route("metrics", async () => {
      const { contentType, body } = await metrics.exposition();
      return { status: 200, headers: { "Content-Type": contentType }, body };
    }),
  );
  const pageChannel = lazily(async () => (await import("./page/channel.ts")).pageChannel(report));
  const jsonChannel = { event: "status", render: () => JSON.stringify(report()) };
  app.get(
    "/",
    route("status", async () => (await import("./page/document.ts")).documentAnswer(report())),
  );
  const json = route("status", () => ({
    status: 200,
    headers: JSON_TYPE,
    body: JSON.stringify(report()),
  }));
  app.get("/status.json", ({ env }) =>
    env.incoming.headers.accept === "text/event-stream"
      ? stream(options, env, jsonChannel)
      : json({ env }),
  );
  app.get("/events", async ({ env }) => stream(options, env, await pageChannel()));
  app.all("*", route("other", notFound));
  return app;
}

function stream(
  { live, counts }: OperationsOptions,
  { incoming, outgoing }: HttpBindings,
  channel: Parameters<Live["attach"]>[1],
): Response {
  const isHead = incoming.method === "HEAD";
  const isStreamed = !isHead && live.attach(outgoing, channel);
  if (!isStreamed) send(outgoing, isHead ? NO_EVENTS : TOO_MANY);
  counts.of("events")(outgoing.statusCode);
  return RESPONSE_ALREADY_SENT;
}

const NO_EVENTS: Answer = { status: 200, headers: { "Content-Type": "text/event-stream" } };

const TOO_MANY: Answer = { status: 503, headers: TEXT, body: "too many watch already\n" };

/** Loaded by whoever asks first. */
function lazily<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => (loaded ??= load());
}

function okUnless(reasons: readonly string[]): Answer {
  return reasons.length === 0
    ? { status: 200, headers: TEXT, body: "ok\n" }
    : { status: 503, headers: TEXT, body: `${reasons.join("\n")}\n` };
}

function notFound(): Answer {
  return { status: 404, headers: TEXT, body: "not found\n" };
}

function failed(error: unknown): Answer {
  return { status: httpStatus(error), headers: TEXT, body: `${messageOf(error)}\n` };
}
