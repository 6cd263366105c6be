/** @module `crossrole policy`: the IAM policies that both accounts of every assumption need. */
import { readFile } from "node:fs/promises";
import { Option } from "commander";
import type { Command } from "commander";
import type { Config } from "../config/types.ts";
import type { BaseCredentials } from "../credentials/types.ts";
import { CrossroleError } from "../errors.ts";
import { policiesOf } from "../explain/policies.ts";
import type { PolicyOptions } from "../explain/policies.ts";
import { principalOf } from "../explain/principal.ts";
import type { FederatedTokens } from "../explain/statements.ts";
import { terraformOf } from "../explain/terraform.ts";
import { claimsOf } from "../sts/federated-trust.ts";
import { examples } from "./help.ts";
import { append, chooseRole, load, withRoleSettings } from "./options.ts";
import type { Settings } from "../config/settings.ts";

interface PolicyFlags extends Settings {
  readonly role?: string;
  readonly format: "json" | "terraform";
  readonly json?: boolean;
  readonly principal?: readonly string[];
  readonly issuer?: string;
  readonly sessionNames?: boolean;
}

export function policyCommand(parent: Command): void {
  const command = parent
    .command("policy")
    .description("print the trust and permission policies that the roles and every hop need");
  withRoleSettings(command)
    .option("--role <name>", "only what this role of the configuration needs")
    .addOption(
      new Option("--format <name>", "how they are written")
        .choices(["json", "terraform"])
        .default("json"),
    )
    .option("--json", "the same as --format json")
    .option(
      "--principal <[base=]arn>",
      "who signs for a base (the ARN that check tells); repeat for others",
      append,
    )
    .option("--issuer <url>", "the OIDC issuer of the cluster that pods and IRSA tokens come from")
    .option("--session-names", "let trust policies ask for the names of sessions too")
    .addHelpText(
      "after",
      examples(
        "crossrole policy --config crossrole.yaml",
        "crossrole policy --role orders-reader --principal hub=arn:aws:iam::111111111111:role/hub",
        "crossrole policy --format terraform --issuer https://oidc.eks.eu-west-1.amazonaws.com/id/ABC > crossrole.tf",
      ),
    )
    .action(policy);
}

async function policy(flags: PolicyFlags): Promise<void> {
  const { json, role, format, principal = [], issuer, sessionNames = false, ...settings } = flags;
  if (json === true && format === "terraform") {
    throw new CrossroleError("ERR_USAGE", "--json and --format terraform exclude each other");
  }
  const { config } = await load(settings);
  const documents = policiesOf(config, {
    roles: role === undefined ? undefined : new Set([chooseRole(config, role).name]),
    principalOfBase: principalsOf(principal, config),
    tokens: issuer === undefined ? {} : { issuer: issuerOf(issuer) },
    tokensOfBase: await claimsOfBases(config),
    sessionNames,
  });
  process.stdout.write(
    format === "terraform"
      ? terraformOf(documents)
      : `${JSON.stringify(documents, undefined, 2)}\n`,
  );
}

/** What `--principal` says: for one base by its name, or for every one that is not named. */
function principalsOf(said: readonly string[], config: Config): PolicyOptions["principalOfBase"] {
  const bases = new Set([...config.roles.values()].map(({ base }) => base.name));
  const arns = new Map<string | undefined, string>();
  for (const value of said) {
    const [, name, arn = ""] = /^(?:([\w.-]+)=)?(.*)$/s.exec(value) ?? [];
    if (principalOf(arn) === undefined) {
      const message = `--principal is ${JSON.stringify(value)}; say [BASE=]ARN of a role, a user, a session or a root`;
      throw new CrossroleError("ERR_USAGE", message);
    }
    if (name !== undefined && !bases.has(name)) {
      const known = [...bases].join(", ") || "none";
      const message = `--principal names ${JSON.stringify(name)}, which is the base of no role; known are ${known}`;
      throw new CrossroleError("ERR_USAGE", message);
    }
    arns.set(name, arn);
  }
  return ({ name }) => arns.get(name) ?? arns.get(undefined);
}

/** Without its scheme and the slash at its end, as IAM names a provider. */
function issuerOf(said: string): string {
  const issuer = /^(?:https:\/\/)?([\w.-]+(?::\d+)?(?:\/[\w.~/-]*)?)$/.exec(said)?.[1];
  if (issuer !== undefined) return issuer.replace(/\/+$/, "");
  const message = `--issuer is ${JSON.stringify(said)}; say the https URL of the cluster's OIDC issuer`;
  throw new CrossroleError("ERR_USAGE", message);
}

/** The token of a web-identity base says who issued it, and for whom: where it can be read here. */
async function claimsOfBases({ roles }: Config): Promise<PolicyOptions["tokensOfBase"]> {
  const found = new Map<string, Partial<FederatedTokens>>();
  for (const { base } of roles.values()) {
    if (base.provider.kind !== "webIdentity" || found.has(base.name)) continue;
    found.set(base.name, await claimsIn(base.provider.tokenFile));
  }
  return ({ name }: BaseCredentials) => found.get(name) ?? {};
}

async function claimsIn(tokenFile: string): Promise<Partial<FederatedTokens>> {
  // It need not be here: policies are often made on another machine.
  const token = await readFile(tokenFile, "utf8").catch(() => "");
  const { issuer, audience, subject } = claimsOf(token);
  return {
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    ...(subject === undefined ? {} : { subjects: [subject] }),
  };
}
