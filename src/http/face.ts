/** @module What the faces share: handlers over Node's own request and response. */
import type { IncomingMessage, RequestListener } from "node:http";
import { CrossroleError } from "../errors.ts";
import type { Answer, OnRefused } from "./answer.ts";
import { askedBy, send } from "./answer.ts";
import type { RequestCounts, RouteName } from "./request-counts.ts";

export type Handle = (request: IncomingMessage) => Answer | Promise<Answer>;

/** What answers a request, and what counts its answers. */
export interface Routed {
  readonly handle: Handle;
  readonly count: ((status: number) => void) | undefined;
}

/** What answers on the route of that name, counted by `counts`. */
export function routeCountedBy(counts: RequestCounts | undefined) {
  return (name: RouteName, handle: Handle): Routed => ({ handle, count: counts?.of(name) });
}

/**
 * Answers with what `route` finds; what it throws is told to `onRefused` and answered by `failed`. What
 * is there at once is sent in the same turn, and by Node's response itself: what a router and a Fetch
 * response cost on the way there is more than all the rest of a warm request.
 */
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

/** Node joins repeated headers of our kind with commas; a joined one fits no rule. */
export function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
