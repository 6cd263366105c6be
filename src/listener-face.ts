/** @module What answers at one listener: both faces behind one socket, for the callers it is for. */
import { getRequestListener } from "@hono/node-server";
import type { RequestListener } from "node:http";
import type { CallerSession, IdentifyCaller, SessionFor } from "./callers/types.ts";
import type { Listener } from "./config/types.ts";
import { containerApp, isContainerTarget } from "./container/app.ts";
import type { ContainerOptions } from "./container/app.ts";
import { CrossroleError } from "./errors.ts";
import { askedBy } from "./http/answer.ts";
import { WITHOUT_BODIES } from "./http/face.ts";
import { metadataApp } from "./metadata/app.ts";
import type { MetadataOptions } from "./metadata/app.ts";

/** What a listener serves now; a reload replaces it and leaves the socket alone. */
export interface Target {
  readonly listener: Listener;
  /** The roles that are served here, by the name that clients see. */
  readonly roles: ReadonlyMap<string, Omit<CallerSession, "caller">>;
}

export interface FaceOptions
  extends
    Omit<MetadataOptions, "sessionFor" | "perRole">,
    Omit<ContainerOptions, "sessionFor" | "onRefused" | "credentialsFor"> {
  /** Undefined once the listener is being closed. */
  readonly target: () => Target | undefined;
  readonly identify: IdentifyCaller;
}

export function listenerFace(options: FaceOptions): RequestListener {
  const sessionFor = sessionForWith(options);
  const perRole = () => options.target()?.listener.kind === "roles";
  const metadata = metadataApp({ ...options, sessionFor, perRole });
  const container = containerApp({ ...options, sessionFor });
  const [answerMetadata, answerContainer] = [metadata, container].map((app) =>
    getRequestListener(app.fetch, WITHOUT_BODIES),
  );
  return (request, response) => {
    const answer = isContainerTarget(request.url ?? "") ? answerContainer : answerMetadata;
    answer?.(request, response).catch((error: unknown) => {
      options.onRefused(error, askedBy(request));
    });
  };
}

function sessionForWith({ target, identify }: FaceOptions): SessionFor {
  return (peer, roleName) => {
    const caller = identify(peer);
    return caller instanceof Promise
      ? caller.then((found) => sessionOf(target(), found, roleName))
      : sessionOf(target(), caller, roleName);
  };
}

function sessionOf(
  target: Target | undefined,
  caller: string,
  roleName: string | undefined,
): CallerSession {
  const only = target?.listener.kind === "role" ? target.listener.role : undefined;
  const role = target?.roles.get(roleName ?? only ?? "");
  if (role !== undefined) return { ...role, caller };
  // Never a default role: JS v3, Go, Ruby and the CRT drop the path that names theirs.
  throw new CrossroleError("ERR_NOT_FOUND", "the request names no role of this listener");
}
