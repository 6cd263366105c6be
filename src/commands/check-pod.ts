/** @module The question `crossrole check --pod`: asked of the API server as the daemon would ask it. */
import { hostname } from "node:os";
import { PodSessions } from "../callers/pod-sessions.ts";
import type { Config } from "../config/types.ts";
import { CrossroleError } from "../errors.ts";
import { NodeApi } from "../node-api.ts";
import { reportOn } from "../pod-report.ts";
import type { PodReport } from "../pod-report.ts";

/** @throws {@link CrossroleError} `ERR_USAGE`, `ERR_CONFIG_INVALID`, `ERR_NOT_FOUND`, or of Kubernetes. */
export async function reportOnPod(config: Config, pod: string): Promise<PodReport> {
  const settings = config.kubernetes;
  const [, namespace, name] = /^([a-z0-9.-]+)\/([a-z0-9.-]+)$/.exec(pod) ?? [];
  if (namespace === undefined || name === undefined) {
    throw new CrossroleError("ERR_USAGE", `--pod is ${JSON.stringify(pod)}; say NAMESPACE/NAME`);
  }
  if (settings === undefined) {
    const message = "the configuration has no listener with pods: true, so no pod gets anything";
    throw new CrossroleError("ERR_CONFIG_INVALID", message);
  }
  const api = await NodeApi.open({
    settings,
    environment: process.env,
    onProblem: () => undefined,
    onAccess: () => undefined,
    now: Date.now,
  });
  try {
    await api.connect();
    const [found] = await api.list({ namespace, name });
    if (found === undefined) throw notHere(api.node, pod);
    const names = { hostname: hostname(), node: api.node };
    const rules = { ...config, annotations: settings.annotations };
    const sessions = new PodSessions({
      ...names,
      rules: () => rules,
      ownerAnnotations: api.ownerAnnotations,
      monotonicMs: () => performance.now(),
    });
    return reportOn(found, await sessions.explain(found), { ...names, nowMs: Date.now() });
  } finally {
    api.close();
  }
}

function notHere(node: string, pod: string): CrossroleError {
  const message =
    `node ${node} has no pod ${pod}; a daemon sees the pods of its own node: ask the one on the ` +
    `pod's (kubectl get pod -o wide says which)`;
  return new CrossroleError("ERR_NOT_FOUND", message);
}
