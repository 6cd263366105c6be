/** @module Who signs a call, as a policy names it. */

/** A principal of IAM. `sso`: a role of IAM Identity Center, whose full ARN no session tells. */
export interface Principal {
  /** As a policy names it; of a session the role, which may have a path that the session does not tell. */
  readonly arn: string;
  readonly kind: "root" | "user" | "role" | "sso" | "federated";
  readonly partition: string;
  /** Twelve digits. */
  readonly accountId: string;
  /** The last part of its ARN. */
  readonly name: string;
}

const PRINCIPAL_ARN = /^arn:([a-z0-9-]+):(?:iam|sts)::(\d{12}):([\x21-\x7e]+)$/;

/** What IAM Identity Center calls the roles that it makes. */
const SSO_ROLE = "AWSReservedSSO_";

/**
 * Reads the ARN of a principal, as STS says it or as a policy does; undefined when it is none.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 */
export function principalOf(arn: string): Principal | undefined {
  const [, partition, accountId, resource] = PRINCIPAL_ARN.exec(arn) ?? [];
  if (partition === undefined || accountId === undefined || resource === undefined) {
    return undefined;
  }
  const [type = "", ...path] = resource.split("/");
  const account = { partition, accountId };
  if (resource === "root") return { ...account, arn, kind: "root", name: "root" };
  if (type === "assumed-role") return sessionPrincipal(account, path[0] ?? "");
  const name = path.at(-1) ?? "";
  if (name === "") return undefined;
  if (type === "user") return { ...account, arn, kind: "user", name };
  if (type === "role") return { ...account, arn, kind: kindOfRole(name), name };
  return type === "federated-user" ? { ...account, arn, kind: "federated", name } : undefined;
}

function sessionPrincipal(
  account: Pick<Principal, "partition" | "accountId">,
  name: string,
): Principal | undefined {
  if (name === "") return undefined;
  const arn = `arn:${account.partition}:iam::${account.accountId}:role/${name}`;
  return { ...account, arn, kind: kindOfRole(name), name };
}

function kindOfRole(name: string): Principal["kind"] {
  return name.startsWith(SSO_ROLE) ? "sso" : "role";
}
