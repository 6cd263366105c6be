/** @module The configuration that one child is served by: its role, at a port that nobody else knows of. */
import type { Config, Listener, Role } from "./config/types.ts";

export interface ChildConfigOptions {
  /** What the child shows where it asks for container credentials. */
  readonly token: string;
  /** Who is answered besides the user of this process. */
  readonly allowUsers: Listener["allowUsers"];
}

/** `config` with one listener, on a free port of loopback, and nothing that outlives the child. */
export function childConfig(
  role: Role,
  config: Config,
  { token, allowUsers }: ChildConfigOptions,
): Config {
  const address = { host: "127.0.0.1", port: 0 };
  const served: Role = { ...role, authorizationToken: { kind: "value", value: token } };
  return {
    ...config,
    roles: new Map([[role.name, served]]),
    stateDirectory: undefined,
    operations: undefined,
    listeners: [{ kind: "role", address, role: role.name, hosts: [], allowUsers }],
  };
}
