/** @module The operations listener: is it alive, is it ready, what has it counted, and the status page. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { askedBy, send } from "../http/answer.ts";
import type { Answer, OnRefused } from "../http/answer.ts";
import { answering, routeCountedBy } from "../http/face.ts";
import type { Routed } from "../http/face.ts";
import type { ListenOptions } from "../http/listener.ts";
import type { RequestCounts } from "../http/request-counts.ts";
import { decodeSegment, pathOf } from "../http/target.ts";
import { httpStatus, messageOf } from "../errors.ts";
import type { Live } from "./live.ts";
import type { Metrics } from "./metrics.ts";
import type { StatusReport } from "./status.ts";

const TEXT = { "Content-Type": "text/plain; charset=utf-8" };
const JSON_TYPE = { "Content-Type": "application/json", "Cache-Control": "no-store" };
const EVENT_STREAM = "text/event-stream";

const READY_PATH = "/readyz/";
const PAGE_PATH = "/";
const EVENTS_PATH = "/events";
const JSON_PATH = "/status.json";

/** What a browser may ask for; everything else is for probes, Prometheus and programs. */
const PAGES: ReadonlySet<string> = new Set([PAGE_PATH, EVENTS_PATH]);

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
  const answer = answering(routing(options), onRefused, failed);
  const channelFor = channels(options);
  return {
    ...address,
    hosts: () => [],
    pages: PAGES,
    onRefused,
    handle: (request, response) => {
      const channel = isRead(request) ? channelFor(request) : undefined;
      if (channel === undefined) {
        answer(request, response);
        return;
      }
      channel
        .then((opened) => stream(options, request, response, opened))
        .catch((error: unknown) => {
          onRefused(error, askedBy(request));
          send(response, failed(error));
        });
    },
  };
}

/**
 * `/healthz` says that the process answers and its listeners do, and nothing of STS: an outage of
 * STS must not become a storm of restarts. `/readyz` says whether whoever asks can be served,
 * `/readyz/ROLE` the same of one role. `/metrics` is for Prometheus, `/` for people, `/status.json`
 * for programs; the two streams tell of changes.
 */
function routing(options: OperationsOptions): (request: IncomingMessage) => Routed {
  const { metrics, unhealthy, unready, report } = options;
  const route = routeCountedBy(options.counts);
  const routes: ReadonlyMap<string, Routed> = new Map([
    ["/healthz", route("healthz", () => okUnless(unhealthy()))],
    ["/readyz", route("readyz", () => okUnless(unready()))],
    ["/metrics", route("metrics", async () => expositionOf(await metrics.exposition()))],
    [PAGE_PATH, route("status", async () => (await documentOf()).documentAnswer(report()))],
    [JSON_PATH, route("status", () => ok(JSON_TYPE, JSON.stringify(report())))],
  ]);
  const roleReady = route("readyz", ({ url = "" }) => readyAnswer(options, pathOf(url) ?? ""));
  const nothing = route("other", notFound);
  const otherMethod = route("other", methodNotAllowed);
  return (request) => {
    const path = pathOf(request.url ?? "") ?? "";
    const found = path.startsWith(READY_PATH) ? roleReady : routes.get(path);
    if (found === undefined && path !== EVENTS_PATH) return nothing;
    return isRead(request) ? (found ?? nothing) : otherMethod;
  };
}

/** Loaded by whoever asks first: no probe needs it. */
const documentOf = () => import("./page/document.ts");

function readyAnswer({ roleUnready }: OperationsOptions, path: string): Answer {
  const reason = roleUnready(decodeSegment(path.slice(READY_PATH.length)) ?? "");
  return reason === null ? notFound() : okUnless(reason === undefined ? [] : [reason]);
}

type Channel = Parameters<Live["attach"]>[1];

/** The stream that a request is for, if it is for one. */
function channels({ report }: OperationsOptions) {
  let page: Promise<Channel> | undefined;
  const json = Promise.resolve({ event: "status", render: () => JSON.stringify(report()) });
  const load = async () => (await import("./page/channel.ts")).pageChannel(report);
  return ({ url = "", headers }: IncomingMessage): Promise<Channel> | undefined => {
    const path = pathOf(url);
    if (path === EVENTS_PATH) return (page ??= load());
    return path === JSON_PATH && headers.accept === EVENT_STREAM ? json : undefined;
  };
}

function stream(
  { live, counts }: OperationsOptions,
  { method }: IncomingMessage,
  response: ServerResponse,
  channel: Channel,
): void {
  const isHead = method === "HEAD";
  const isStreamed = !isHead && live.attach(response, channel);
  if (!isStreamed) send(response, isHead ? NO_EVENTS : TOO_MANY);
  counts.of("events")(response.statusCode);
}

function isRead({ method }: IncomingMessage): boolean {
  return method === "GET" || method === "HEAD";
}

const NO_EVENTS: Answer = { status: 200, headers: { "Content-Type": EVENT_STREAM } };

const TOO_MANY: Answer = { status: 503, headers: TEXT, body: "too many watch already\n" };

function ok(headers: Readonly<Record<string, string>>, body: string): Answer {
  return { status: 200, headers, body };
}

function expositionOf({ contentType, body }: Awaited<ReturnType<Metrics["exposition"]>>): Answer {
  return ok({ "Content-Type": contentType }, body);
}

function okUnless(reasons: readonly string[]): Answer {
  return reasons.length === 0
    ? ok(TEXT, "ok\n")
    : { status: 503, headers: TEXT, body: `${reasons.join("\n")}\n` };
}

function methodNotAllowed(): Answer {
  return { status: 405, headers: { ...TEXT, Allow: "GET, HEAD" }, body: "only GET and HEAD\n" };
}

function notFound(): Answer {
  return { status: 404, headers: TEXT, body: "not found\n" };
}

function failed(error: unknown): Answer {
  return { status: httpStatus(error), headers: TEXT, body: `${messageOf(error)}\n` };
}
