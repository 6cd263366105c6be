/** @module Policies as Terraform resources of the provider `hashicorp/aws`. */
import { attributesOf } from "./hcl.ts";
import type { PolicyDocument } from "./policy-documents.ts";
import { principalOf } from "./principal.ts";

/** The name of the policies that are attached to an identity. */
const POLICY_NAME = "crossrole";

/**
 * A section for each account: every resource belongs into the configuration of its own account, with
 * that account's provider. As `terraform fmt` would write it.
 */
export function terraformOf(documents: readonly PolicyDocument[]): string {
  const names = new Names();
  const sections = [...Map.groupBy(documents, ({ account }) => account)].map(([account, own]) =>
    [
      `# Account ${account}. These resources need a provider that works in this account.`,
      ...own.map((document) => resourceOf(document, names)),
    ].join("\n\n"),
  );
  return `${sections.join("\n\n")}\n`;
}

function resourceOf(document: PolicyDocument, names: Names): string {
  const { type, label, attributes } =
    document.kind === "trust" ? roleOf(document) : permissionOf(document);
  const isLoose = type === "aws_iam_policy";
  const attach = isLoose ? [`attach it to ${document.attachTo}`] : [];
  const notes = [...document.notes, ...attach].map((note) => `# ${note}`);
  const name = document.kind === "trust" ? "assume_role_policy" : "policy";
  const policy = attributesOf([[name, document.policy]], 2);
  // jsonencode takes the object in brackets of its own.
  const encoded = policy.replace(" = {", " = jsonencode({").replace(/\}$/, "})");
  return [
    ...notes,
    `resource "${type}" "${names.unique(type, label)}" {`,
    attributesOf(attributes, 2),
    "",
    encoded,
    "}",
  ].join("\n");
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
function permissionOf({ attachTo }: PolicyDocument): Resource {
  const { kind, name } = principalOf(attachTo) ?? { kind: undefined, name: attachTo };
  const attributes = [["name", POLICY_NAME]] as const;
  const label = `${name}_${POLICY_NAME}`;
  if (kind === "role" || kind === "user") {
    return { type: `aws_iam_${kind}_policy`, label, attributes: [...attributes, [kind, name]] };
  }
  return { type: "aws_iam_policy", label, attributes };
}

/** Names of resources: of what Terraform allows, and each only once for a type. */
class Names {
  readonly #taken = new Set<string>();

  unique(type: string, label: string): string {
    const name = label
      .replaceAll(/\W/g, "_")
      .replace(/^(?=\d)/, "_")
      .toLowerCase();
    let free = name;
    for (let next = 2; this.#taken.has(`${type}.${free}`); next++) free = `${name}_${next}`;
    this.#taken.add(`${type}.${free}`);
    return free;
  }
}
