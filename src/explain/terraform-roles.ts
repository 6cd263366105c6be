/** @module The roles of one Terraform configuration, and which of them may wait for which. */
import type { PolicyDocument } from "./policy-documents.ts";
import { principalOf } from "./principal.ts";

interface Role {
  readonly name: string;
  /** The ARNs that its trust policy names. */
  readonly trusted: readonly string[];
}

export class TerraformRoles {
  readonly #roles = new Map<string, Role>();

  /** @param nameFor a free name of a resource, for the name of a role */
  constructor(documents: readonly PolicyDocument[], nameFor: (label: string) => string) {
    for (const { kind, attachTo, policy } of documents) {
      if (kind !== "trust") continue;
      const name = nameFor(principalOf(attachTo)?.name ?? attachTo);
      const trusted = policy.Statement.flatMap(({ Principal = {} }) => Principal["AWS"] ?? []);
      this.#roles.set(attachTo, { name, trusted });
    }
  }

  has(roleArn: string): boolean {
    return this.#roles.has(roleArn);
  }

  nameOf(roleArn: string): string {
    const role = this.#roles.get(roleArn);
    if (role === undefined) throw new TypeError(`${roleArn} is no resource of this configuration`);
    return role.name;
  }

  /** Not when they trust each other, at whatever distance: Terraform refuses a circle. */
  mayWaitFor(roleArn: string, otherArn: string): boolean {
    if (!this.has(otherArn)) return false;
    const reached = new Set([otherArn]);
    // Grows while it is gone through.
    for (const arn of reached) {
      for (const next of this.#roles.get(arn)?.trusted ?? []) reached.add(next);
    }
    return !reached.has(roleArn);
  }
}
