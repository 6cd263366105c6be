/** @module What the operations listener reads of the daemon. */
import type { CredentialCache } from "./credentials/cache.ts";
import type { Config } from "./config/types.ts";
import type { RunningListener } from "./http/listener.ts";
import type { Target } from "./listener-face.ts";
import type { DaemonView, ListenerView } from "./operations/view.ts";
import type { PodServiceHolder } from "./pod-service-holder.ts";
import { roleNamesOf, roleOf } from "./targets.ts";

interface Parts {
  readonly config: () => Config;
  readonly hostname: string;
  readonly cache: CredentialCache;
  /** What is served, by key. */
  readonly targets: () => ReadonlyMap<string, Target>;
  /** What is open, by the same key. */
  readonly running: () => ReadonlyMap<string, Pick<RunningListener, "url">>;
  readonly pods: PodServiceHolder;
}

export function daemonView({ config, hostname, cache, targets, running, pods }: Parts): DaemonView {
  const listenerView = ([key, { listener }]: readonly [string, Target]): ListenerView => {
    const open = running().get(key);
    return {
      key,
      url: open?.url ?? "",
      kind: listener.kind,
      roles: roleNamesOf(listener),
      isUp: open !== undefined,
    };
  };
  return {
    config,
    sessionOf: (roleName) => roleOf(roleName, config(), hostname).session,
    stateOf: (source) => cache.stateOf(source),
    sessionCount: () => cache.size,
    listeners: () => [...targets()].map(listenerView),
    pods: () => pods.seen(),
  };
}
