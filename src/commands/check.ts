/** @module `crossrole check`: explains what will work and what will not. */
import { hostname } from "node:os";
import type { Command } from "commander";
import type { Settings } from "../config/settings.ts";
import { CrossroleError } from "../errors.ts";
import { connectAws } from "../explain/aws.ts";
import { checkLines } from "../explain/check-lines.ts";
import { walk } from "../explain/walk.ts";
import { linesOf } from "../pod-report.ts";
import { checkClient } from "./check-client.ts";
import { reportOnPod } from "./check-pod.ts";
import { examples } from "./help.ts";
import { load, withRoleSettings } from "./options.ts";

interface CheckFlags extends Settings {
  readonly assume?: boolean;
  /** True for every SDK. */
  readonly client?: string | true;
  readonly pod?: string;
  readonly json?: boolean;
}

export function checkCommand(parent: Command): void {
  const command = parent
    .command("check")
    .description(
      "explain what will work and what will not: base credentials, roles, clients, pods",
    );
  withRoleSettings(command)
    .option("--assume", "assume every hop and role too, and ask for a session that is longer")
    .option(
      "--client [sdk]",
      "look at this environment as an application's: what in it would win over crossrole",
    )
    .option("--pod <namespace/name>", "which role a pod of this node gets, and by which rule")
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      examples(
        "crossrole check --config crossrole.yaml",
        "crossrole check --role-arn arn:aws:iam::222222222222:role/orders-reader --assume",
        "crossrole check --client boto3",
        "kubectl -n crossrole-system exec POD -- crossrole check --pod orders/web-7c9f",
      ),
    )
    .action(check);
}

async function check(flags: CheckFlags): Promise<void> {
  const { assume = false, client, pod, json = false, ...settings } = flags;
  if ([assume, client, pod].filter((one) => one !== undefined && one !== false).length > 1) {
    const message = "--assume, --client and --pod are different questions: ask one at a time";
    throw new CrossroleError("ERR_USAGE", message);
  }
  const { report, lines, ok } = await answerOf({ assume, client, pod, settings });
  const text = json ? JSON.stringify(report, undefined, 2) : lines.join("\n");
  process.stdout.write(`${text}\n`);
  if (!ok) process.exitCode = 1;
}

interface Question {
  readonly assume: boolean;
  readonly client: string | true | undefined;
  readonly pod: string | undefined;
  readonly settings: Settings;
}

interface Answer {
  /** For programs. */
  readonly report: object;
  /** For a terminal. */
  readonly lines: readonly string[];
  readonly ok: boolean;
}

async function answerOf({ assume, client, pod, settings }: Question): Promise<Answer> {
  // The application's environment need not say a thing of crossrole's configuration.
  if (client !== undefined) return await checkClient(client === true ? "all" : client);
  const { config } = await load(settings);
  if (pod !== undefined) {
    const report = await reportOnPod(config, pod);
    const ok = report.role !== undefined && report.refused === undefined;
    return { report, lines: linesOf(report), ok };
  }
  const environment = process.env;
  const aws = connectAws({ endpoint: config.sts.endpoint, environment });
  const report = await walk({
    config,
    aws,
    environment,
    hostname: hostname(),
    assume,
    now: Date.now,
  });
  return { report, lines: checkLines(report), ok: report.ok };
}
