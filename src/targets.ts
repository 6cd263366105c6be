/** @module What a configuration makes each listener serve. */
import { roleSessionOf } from "./callers/role-session.ts";
import type { AuthorizationToken, CallerSession } from "./callers/types.ts";
import type { Config, Listener } from "./config/types.ts";
import { CONTAINER_PATH } from "./container/app.ts";
import { CrossroleError } from "./errors.ts";

/** A listener that answers for a role, as somebody would be told of it. */
export interface Served {
  readonly kind: Listener["kind"];
  readonly url: string;
  readonly roleName: string;
  readonly roleArn: string;
}

/** Where container credentials of what is served are: a client keeps the whole of this URI. */
export function containerUri({ url, roleName }: Served): string {
  return `${url}${CONTAINER_PATH}/${encodeURIComponent(roleName)}`;
}

/** A role of the configuration with the session that serves it. */
export type RoleOf = Omit<CallerSession, "caller">;

/** @throws {@link CrossroleError} `ERR_NOT_FOUND` for a role that is not configured. */
export function roleOf(roleName: string, { roles }: Config, hostname: string): RoleOf {
  const role = roles.get(roleName);
  if (role === undefined) {
    const names = [...roles.keys()].join(", ");
    const message = `there is no role ${JSON.stringify(roleName)}; known are ${names}`;
    throw new CrossroleError("ERR_NOT_FOUND", message);
  }
  return { roleName, session: roleSessionOf(role, { hostname }), imdsV1: role.imdsV1 };
}

/** The roles that a listener names: none for pods, whose role is found when they ask. */
export function roleNamesOf(listener: Listener): readonly string[] {
  switch (listener.kind) {
    case "role":
      return [listener.role];
    case "roles":
      return listener.roles;
    case "pods":
      return [];
  }
}

export function authorizationOf({ roles }: Config): ReadonlyMap<string, AuthorizationToken> {
  const sources = new Map<string, AuthorizationToken>();
  for (const [name, { authorizationToken }] of roles) {
    if (authorizationToken !== undefined) sources.set(name, authorizationToken);
  }
  return sources;
}

/** What a listener is known by, in logs and in the tokens it issues: its address. */
export function keyOf({ address: { host, port } }: Listener, index: number): string {
  return port === 0 ? `${host}:0#${index}` : `${host}:${port}`;
}
