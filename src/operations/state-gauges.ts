/** @module What is so at the moment somebody looks: roles, listeners, configuration, and counts kept elsewhere. */
import type { Counter, Gauge, Registry } from "prom-client";
import type { RequestCount } from "../http/request-counts.ts";
import type { RoleState } from "./status.ts";
import { ROLE_STATES } from "./status.ts";

/** Everything that is read at one moment. */
export interface Observed {
  readonly version: string;
  readonly node: string;
  readonly startedMs: number;
  readonly isReady: boolean;
  readonly roles: readonly {
    readonly name: string;
    readonly state: RoleState;
    readonly isReady: boolean;
    readonly expirationMs: number | undefined;
  }[];
  readonly listeners: readonly { readonly key: string; readonly isUp: boolean }[];
  readonly sessions: number;
  readonly requests: readonly RequestCount[];
  /** Hand-outs that took no call of their own: from memory, and by a wait that others shared. */
  readonly saved: { readonly memory: number; readonly shared: number };
  readonly clockSkewMs: number;
  readonly reload: { readonly takenOverMs: number; readonly isRefused: boolean };
}

interface Library {
  readonly Counter: typeof Counter;
  readonly Gauge: typeof Gauge;
}

/** `observe` says who tells; `read` asks, and sets every gauge by one answer. */
export function stateGauges(library: Library, registers: Registry[]) {
  const known = instruments(library, registers);
  let look: (() => Observed) | undefined;
  return {
    observe: (read: () => Observed) => {
      look = read;
    },
    read: () => {
      if (look !== undefined) set(known, look());
    },
  };
}

type Instruments = ReturnType<typeof instruments>;

function instruments({ Counter: CounterClass, Gauge: GaugeClass }: Library, registers: Registry[]) {
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new GaugeClass({ name: `crossrole_${name}`, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new CounterClass({ name: `crossrole_${name}`, help, labelNames, registers });
  return {
    build: gauge("build_info", "Always 1", "version", "node"),
    started: gauge("start_time_seconds", "When the daemon started"),
    ready: gauge("ready", "Whether /readyz says so"),
    state: gauge("role_state", "1 for the state that a served role is in", "role", "state"),
    roleReady: gauge("role_ready", "Whether a served role has been obtained once", "role"),
    expiration: gauge(
      "role_expiration_timestamp_seconds",
      "When the credentials of a served role expire; absent while none are held",
      "role",
    ),
    up: gauge("listener_up", "Whether a listener answers", "listener"),
    sessions: gauge("sessions", "Role sessions and base credentials in memory"),
    requests: counter(
      "http_requests_total",
      "Requests that reached a route, by route and status",
      "route",
      "status",
    ),
    saved: counter(
      "sts_calls_saved_total",
      "Hand-outs without a call to STS of their own: from memory, or by a call that others waited for too",
      "by",
    ),
    skew: gauge("clock_skew_seconds", "How far the clock is behind STS's; negative: ahead"),
    takenOver: gauge(
      "config_last_reload_success_timestamp_seconds",
      "When a configuration was last taken over",
    ),
    successful: gauge(
      "config_last_reload_successful",
      "Whether the last attempt to take over a configuration went well",
    ),
  };
}

function set(known: Instruments, seen: Observed): void {
  known.build.set({ version: seen.version, node: seen.node }, 1);
  known.started.set(seen.startedMs / 1000);
  known.ready.set(Number(seen.isReady));
  known.sessions.set(seen.sessions);
  known.skew.set(seen.clockSkewMs / 1000);
  known.takenOver.set(seen.reload.takenOverMs / 1000);
  known.successful.set(Number(!seen.reload.isRefused));
  known.up.reset();
  for (const { key, isUp } of seen.listeners) known.up.set({ listener: key }, Number(isUp));
  setRoles(known, seen.roles);
  // Counted elsewhere, where it costs nothing: what is said here is the sum so far.
  known.requests.reset();
  for (const { route, status, count } of seen.requests)
    known.requests.inc({ route, status: String(status) }, count);
  known.saved.reset();
  known.saved.inc({ by: "memory" }, seen.saved.memory);
  known.saved.inc({ by: "shared" }, seen.saved.shared);
}

/** From nothing: a role that has left the configuration has no line. */
function setRoles({ state, roleReady, expiration }: Instruments, roles: Observed["roles"]): void {
  for (const one of [state, roleReady, expiration]) one.reset();
  for (const role of roles) {
    for (const name of ROLE_STATES)
      state.set({ role: role.name, state: name }, Number(role.state === name));
    roleReady.set({ role: role.name }, Number(role.isReady));
    if (role.expirationMs !== undefined)
      expiration.set({ role: role.name }, role.expirationMs / 1000);
  }
}
