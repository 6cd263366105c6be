/** @module The operations listener: is it alive, and what has it counted. */
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { askedBy } from "../http/answer.ts";
import type { Answer, OnRefused } from "../http/answer.ts";
import { rawTarget, routes, WITHOUT_BODIES } from "../http/face.ts";
import type { FaceEnv } from "../http/face.ts";
import type { ListenOptions } from "../http/listener.ts";
import { pathOf } from "../http/target.ts";
import { httpStatus, messageOf } from "../errors.ts";
import type { Metrics } from "./metrics.ts";

const TEXT = { "Content-Type": "text/plain; charset=utf-8" };

export interface OperationsOptions {
  readonly metrics: Metrics;
  /** Why callers cannot be served yet; undefined when they can. */
  readonly notReady: () => string | undefined;
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
    onRefused,
    handle: (request, response) => {
      answer(request, response).catch((error: unknown) => onRefused(error, askedBy(request)));
    },
  };
}

/**
 * `/healthz` says that the process answers, and nothing of STS: an outage of STS must not become a
 * storm of restarts. `/readyz` says whether whoever asks can be told from others. `/metrics` is for
 * Prometheus.
 */
function operationsApp({ metrics, notReady, onRefused }: OperationsOptions): Hono<FaceEnv> {
  const app = new Hono<FaceEnv>({ getPath: (_, init) => pathOf(rawTarget(init)) ?? "" });
  const route = routes(onRefused, failed);
  app.get(
    "/healthz",
    route(() => ({ status: 200, headers: TEXT, body: "ok\n" })),
  );
  app.get(
    "/readyz",
    route(() => {
      const reason = notReady();
      return reason === undefined
        ? { status: 200, headers: TEXT, body: "ok\n" }
        : { status: 503, headers: TEXT, body: `${reason}\n` };
    }),
  );
  app.get(
    "/metrics",
    route(async () => {
      const { contentType, body } = await metrics.exposition();
      return { status: 200, headers: { "Content-Type": contentType }, body };
    }),
  );
  app.all(
    "*",
    route(() => ({ status: 404, headers: TEXT, body: "not found\n" })),
  );
  return app;
}

function failed(error: unknown): Answer {
  return { status: httpStatus(error), headers: TEXT, body: `${messageOf(error)}\n` };
}
