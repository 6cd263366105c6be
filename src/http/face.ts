/** @module What the faces share: handlers over Node's own request and response, on their own or routed by Hono. */
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { HttpBindings } from "@hono/node-server";
import type { IncomingMessage, RequestListener } from "node:http";
import { CrossroleError } from "../errors.ts";
import type { Answer, OnRefused } from "./answer.ts";
import { askedBy, send } from "./answer.ts";
import type { RequestCounts, RouteName } from "./request-counts.ts";

/** A Hono environment in which the raw request and response can be had. */
export type FaceEnv = { Bindings: HttpBindings };

/**
 * How node-server is to treat requests: the guard lets none with a body through, so that nothing has
 * to be read and thrown away behind an answer.
 */
export const WITHOUT_BODIES = { overrideGlobalObjects: false, autoCleanupIncoming: false } as const;

export type Handle = (request: IncomingMessage) => Answer | Promise<Answer>;

/** Hono's handler for `handle`: whatever it throws is told to `onRefused` and answered by `failed`. */
export type Route = (
  name: RouteName,
  handle: Handle,
) => (context: { readonly env: HttpBindings }) => Promise<Response>;

/**
 * Answers are written to Node's response itself: what a Fetch response costs on the way there is
 * more than all the rest of a warm request.
 */
export function routes(
  onRefused: OnRefused,
  failed: (error: unknown) => Answer,
  counts?: RequestCounts,
): Route {
  return (name, handle) => {
    const count = counts?.of(name);
    return async ({ env: { incoming: request, outgoing: response } }) => {
      try {
        const answer = handle(request);
        const sent =
          answer instanceof Promise ? await answer.catch(again(handle, request)) : answer;
        count?.(sent.status);
        send(response, sent);
      } catch (error) {
        onRefused(error, askedBy(request));
        const sent = failed(error);
        count?.(sent.status);
        send(response, sent);
      }
      return RESPONSE_ALREADY_SENT;
    };
  };
}

/** What answers a request, and what counts its answers. */
export interface Routed {
  readonly handle: Handle;
  readonly count: ((status: number) => void) | undefined;
}

/** The same without Hono's router: what is there at once is sent in the same turn. */
export function answering(
  route: (request: IncomingMessage) => Routed,
  onRefused: OnRefused,
  failed: (error: unknown, request: IncomingMessage) => Answer,
): RequestListener {
  return (request, response) => {
    const { handle, count } = route(request);
    const sendCounted = (answer: Answer) => {
      count?.(answer.status);
      send(response, answer);
    };
    const refuse = (error: unknown) => {
      onRefused(error, askedBy(request));
      sendCounted(failed(error, request));
    };
    try {
      const answer = handle(request);
      if (answer instanceof Promise) {
        answer.catch(again(handle, request)).then(sendCounted).catch(refuse);
      } else sendCounted(answer);
    } catch (error) {
      refuse(error);
    }
  };
}

/** The caller was taken for a pod that is no more: it is found out anew, once. */
function again(handle: Handle, request: IncomingMessage) {
  return (error: unknown): Answer | Promise<Answer> => {
    if (error instanceof CrossroleError && error.code === "ERR_POD_STALE") return handle(request);
    throw error;
  };
}

/** The raw target of the request that Hono is about to route: its own URL has been normalised. */
export function rawTarget(init: unknown): string {
  const env = init !== undefined && isObject(init) && "env" in init ? init.env : undefined;
  const incoming = isObject(env) && "incoming" in env ? env.incoming : undefined;
  const url = isObject(incoming) && "url" in incoming ? incoming.url : undefined;
  return typeof url === "string" ? url : "";
}

/** Node joins repeated headers of our kind with commas; a joined one fits no rule. */
export function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
