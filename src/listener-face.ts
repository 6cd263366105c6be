/** @module What answers at one listener: both faces behind one socket, for the callers it is for. */
import type { RequestListener } from "node:http";
import type { CallerSession, IdentifyCaller, Peer, SessionFor } from "./callers/types.ts";
import type { Listener } from "./config/types.ts";
import { containerApp, isContainerTarget, isPodIdentityTarget } from "./container/app.ts";
import type { ContainerOptions } from "./container/app.ts";
import { CrossroleError } from "./errors.ts";
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
    Omit<ContainerOptions, "sessionFor" | "sessionForToken" | "onRefused" | "credentialsFor"> {
  /** Undefined once the listener is being closed. */
  readonly target: () => Target | undefined;
  readonly identify: IdentifyCaller;
  /** What tells pods from each other; undefined while no listener is for them. */
  readonly pods: () => PodCallers | undefined;
}

/** The sessions of pods, by who asks or by the token that is shown. */
interface PodCallers {
  readonly sessionFor: (peer: Peer) => CallerSession | Promise<CallerSession>;
  readonly sessionForToken: (token: string) => Promise<CallerSession>;
}

export function listenerFace(options: FaceOptions): RequestListener {
  const sessionFor = sessionForWith(options);
  const perRole = () => options.target()?.listener.kind === "roles";
  const metadata = metadataApp({ ...options, sessionFor, perRole });
  const podsHere = () => (options.target()?.listener.kind === "pods" ? options.pods() : undefined);
  const sessionForToken = async (token: string) => {
    const session = await podsHere()?.sessionForToken(token);
    return session ?? nothingHere();
  };
  const container = containerApp({ ...options, sessionFor, sessionForToken });
  return (request, response) => {
    const { url = "" } = request;
    const isContainer =
      isContainerTarget(url) || (isPodIdentityTarget(url) && podsHere() !== undefined);
    (isContainer ? container : metadata)(request, response);
  };
}

function sessionForWith({ target, identify, pods }: FaceOptions): SessionFor {
  return (peer, roleName) => {
    if (target()?.listener.kind === "pods") {
      // A pod has one role: what it asks for by another path is not there.
      return roleName === undefined ? (pods()?.sessionFor(peer) ?? nothingHere()) : nothingHere();
    }
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
  return role === undefined ? nothingHere() : { ...role, caller };
}

/** Never a default role: JS v3, Go, Ruby and the CRT drop the path that names theirs. */
function nothingHere(): never {
  throw new CrossroleError("ERR_NOT_FOUND", "the request names no role of this listener");
}
