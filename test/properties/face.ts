/** @module A listener with both real faces behind it, that tells which request reached credentials. */
import { listen } from "../../src/http/listener.ts";
import type { RunningListener } from "../../src/http/listener.ts";
import { listenerFace } from "../../src/listener-face.ts";
import type { Target } from "../../src/listener-face.ts";
import { newTokenKeys } from "../../src/metadata/metadata-token.ts";
import { ordersReader, temporaryCredentials } from "../support/credentials.ts";

export const ROLES = ["orders-reader", "billing"] as const;
/** The token of each role's container credentials. */
export const AUTHORIZATION = "CANARY-authorization";

export const clock = { nowMs: Date.parse("2026-11-02T12:00:00Z") };

export interface Face extends AsyncDisposable {
  readonly port: number;
  /** The role sessions that were asked for, in order, but for what a PUT starts. */
  readonly reached: string[];
}

/** A listener of one role, {@link ROLES}' first, or of all of them. */
export async function startFace(kind: "role" | "roles"): Promise<Face> {
  const reached: string[] = [];
  const keys = newTokenKeys(clock.nowMs);
  const target = targetOf(kind);
  const credentials = new Map(
    ROLES.map((name) => [arnOf(name), temporaryCredentials({ accessKeyId: `ASIA/${name}` })]),
  );
  const handle = listenerFace({
    target: () => target,
    identify: ({ address }) => address,
    pods: () => undefined,
    credentialsFor: ({ roleArn }, { holdMs }) => {
      if (holdMs > 0) reached.push(roleArn.slice(roleArn.lastIndexOf("/") + 1));
      return credentials.get(roleArn) ?? temporaryCredentials();
    },
    tokenKeys: () => keys,
    isAuthorized: (name, presented) =>
      ROLES.some((known) => known === name) && presented === AUTHORIZATION,
    listener: `${kind}-listener`,
    region: () => "eu-west-1",
    hostname: "host",
    now: () => clock.nowMs,
    onRefused: () => undefined,
    onImdsV1: () => undefined,
  });
  const options = { host: "127.0.0.1", port: 0, hosts: () => [], onRefused: () => undefined };
  const server: RunningListener = await listen({ ...options, handle });
  return { port: server.port, reached, [Symbol.asyncDispose]: () => server.close() };
}

function targetOf(kind: "role" | "roles"): Target {
  const address = { host: "127.0.0.1", port: 0 };
  const common = { address, hosts: [], allowUsers: "any" } as const;
  const names = kind === "role" ? ROLES.slice(0, 1) : ROLES;
  const roles = names.map((roleName) => {
    const session = { ...ordersReader, roleArn: arnOf(roleName) };
    return [roleName, { roleName, session, imdsV1: false }] as const;
  });
  const listener =
    kind === "role"
      ? ({ ...common, kind, role: ROLES[0] } as const)
      : ({ ...common, kind, roles: ROLES } as const);
  return { listener, roles: new Map(roles) };
}

function arnOf(name: string): string {
  return `arn:aws:iam::222222222222:role/${name}`;
}
