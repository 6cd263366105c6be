/** @module Policies as Terraform resources of the provider `hashicorp/aws`. */
import { attributesOf, Expression } from "./hcl.ts";
import type { PolicyDocument } from "./policy-documents.ts";
import { principalOf } from "./principal.ts";
import type { Statement } from "./statements.ts";
import { TerraformRoles } from "./terraform-roles.ts";

/** The name of the policies that are attached to an identity. */
const POLICY_NAME = "crossrole";

/**
 * A section for each account. It is one configuration, in which resources refer to each other: with
 * several accounts every resource names the provider of its own. As `terraform fmt` would write it.
 */
export function terraformOf(documents: readonly PolicyDocument[]): string {
  const names = new Names();
  const accounts = Map.groupBy(documents, ({ account }) => account);
  const roles = new TerraformRoles([...accounts.values()].flat(), (label) =>
    names.unique("aws_iam_role", label),
  );
  const sections = [...accounts].map(([account, own]) => {
    const alias = accounts.size === 1 ? undefined : aliasOf(account);
    const resources = own.map((document) => resourceOf(document, { names, roles, alias }));
    return [headOf(account, alias), ...resources].join("\n\n");
  });
  return `${sections.join("\n\n")}\n`;
}

function headOf(account: string, alias: string | undefined): string {
  const which = alias === undefined ? "a provider" : `a provider with alias = "${alias}"`;
  return `# Account ${account}. These resources need ${which} that works in this account.`;
}

function aliasOf(account: string): string {
  return identifierOf(/^\d/.test(account) ? `account_${account}` : account);
}

interface File {
  readonly names: Names;
  readonly roles: TerraformRoles;
  /** Of the account's provider, where there are several. */
  readonly alias: string | undefined;
}

function resourceOf(document: PolicyDocument, { names, roles, alias }: File): string {
  const isTrust = document.kind === "trust";
  const { type, label, attributes } = isTrust ? roleOf(document) : permissionOf(document, roles);
  const isLoose = type === "aws_iam_policy";
  const attach = isLoose ? [`attach it to ${document.attachTo}`] : [];
  const notes = [...document.notes, ...attach].map((note) => `# ${note}`);
  const name = isTrust ? "assume_role_policy" : "policy";
  const unique = isTrust ? roles.nameOf(document.attachTo) : names.unique(type, label);
  const policy = attributesOf([[name, isTrust ? trustOf(document, roles) : document.policy]], 2);
  // jsonencode takes the object in brackets of its own.
  const encoded = policy.replace(" = {", " = jsonencode({").replace(/\}$/, "})");
  const provider = alias === undefined ? [] : [`  provider = aws.${alias}`, ""];
  return [
    ...notes,
    `resource "${type}" "${unique}" {`,
    ...provider,
    attributesOf(attributes, 2),
    "",
    encoded,
    "}",
  ].join("\n");
}

/** IAM refuses a principal that does not exist: a reference makes Terraform create that role before. */
function trustOf({ attachTo, policy }: PolicyDocument, roles: TerraformRoles): unknown {
  const referring = (arn: string) =>
    roles.mayWaitFor(attachTo, arn) ? referenceOf(roles, arn, "arn") : arn;
  return { ...policy, Statement: policy.Statement.map((one) => withPrincipals(one, referring)) };
}

function withPrincipals(statement: Statement, referring: (arn: string) => unknown): unknown {
  const aws = statement.Principal?.["AWS"];
  if (aws === undefined) return statement;
  const principals = typeof aws === "string" ? referring(aws) : aws.map((arn) => referring(arn));
  return { ...statement, Principal: { ...statement.Principal, AWS: principals } };
}

function referenceOf(roles: TerraformRoles, roleArn: string, attribute: string): Expression {
  return new Expression(`aws_iam_role.${roles.nameOf(roleArn)}.${attribute}`);
}

interface Resource {
  readonly type: string;
  readonly label: string;
  readonly attributes: readonly (readonly [string, unknown])[];
}

function roleOf({ attachTo, maxSessionDuration }: PolicyDocument): Resource {
  const resource = attachTo.slice(attachTo.indexOf(":role/") + ":role".length);
  const path = resource.slice(0, resource.lastIndexOf("/") + 1);
  const name = resource.slice(path.length);
  return {
    type: "aws_iam_role",
    label: name,
    attributes: [
      ["name", name],
      ...(path === "/" ? [] : [["path", path] as const]),
      ...(maxSessionDuration === undefined
        ? []
        : [["max_session_duration", maxSessionDuration] as const]),
    ],
  };
}

/** A policy of a role or a user; for any other identity one that somebody attaches. */
function permissionOf({ attachTo }: PolicyDocument, roles: TerraformRoles): Resource {
  const { kind, name } = principalOf(attachTo) ?? { kind: undefined, name: attachTo };
  const attributes = [["name", POLICY_NAME]] as const;
  const label = `${name}_${POLICY_NAME}`;
  if (kind === "role" || kind === "user") {
    // Alone, it would be put into a role that is not there yet.
    const holder = roles.has(attachTo) ? referenceOf(roles, attachTo, "name") : name;
    return { type: `aws_iam_${kind}_policy`, label, attributes: [...attributes, [kind, holder]] };
  }
  return { type: "aws_iam_policy", label, attributes };
}

/** Names of resources: of what Terraform allows, and each only once for a type. */
class Names {
  readonly #taken = new Set<string>();

  unique(type: string, label: string): string {
    const name = identifierOf(label);
    let free = name;
    for (let next = 2; this.#taken.has(`${type}.${free}`); next++) free = `${name}_${next}`;
    this.#taken.add(`${type}.${free}`);
    return free;
  }
}

function identifierOf(label: string): string {
  return label
    .replaceAll(/\W/g, "_")
    .replace(/^(?=\d)/, "_")
    .toLowerCase();
}
