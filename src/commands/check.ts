/** @module `crossrole check`: explains what will work and what will not. */
import { hostname } from "node:os";
import type { Command } from "commander";
import { PodSessions } from "../callers/pod-sessions.ts";
import type { Config } from "../config/types.ts";
import { CrossroleError } from "../errors.ts";
import { NodeApi } from "../node-api.ts";
import { linesOf, reportOn } from "../pod-report.ts";
import type { PodReport } from "../pod-report.ts";
import { examples } from "./help.ts";
import { load } from "./options.ts";

interface CheckFlags {
  readonly config?: string;
  readonly pod: string;
  readonly json?: boolean;
}

export function checkCommand(parent: Command): void {
  parent
    .command("check")
    .description("explain which role a pod of this node gets, and which rule gave or refused it")
    .requiredOption("--pod <namespace/name>", "the pod, on the node of this daemon")
    .option("-c, --config <file>", "configuration file (CROSSROLE_CONFIG)")
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      examples(
        "crossrole check --pod orders/web-7c9f",
        "kubectl -n crossrole-system exec POD -- crossrole check --pod orders/web-7c9f",
      ),
    )
    .action(check);
}

async function check({ pod, json = false, ...flags }: CheckFlags): Promise<void> {
  const { config } = await load(flags);
  const report = await reportOnPod(config, pod);
  const text = json ? JSON.stringify(report, undefined, 2) : linesOf(report).join("\n");
  process.stdout.write(`${text}\n`);
  if (report.role === undefined || report.refused !== undefined) process.exitCode = 1;
}

async function reportOnPod(config: Config, pod: string): Promise<PodReport> {
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
