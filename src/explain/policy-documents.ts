/** @module Policies by what they are attached to: statements that say the same of several are one. */
import { principalOf } from "./principal.ts";
import { permissionStatement } from "./statements.ts";
import type { Statement } from "./statements.ts";

/**
 * One policy, and where it belongs. `trust`: the trust policy of the role `attachTo`. `permission`: a
 * policy of the identity `attachTo`, a role or a user.
 */
export interface PolicyDocument {
  readonly kind: "trust" | "permission";
  /** Twelve digits; words where the configuration does not tell. */
  readonly account: string;
  /** An ARN; words where the configuration does not tell. */
  readonly attachTo: string;
  /** The maximum session duration that a trusted role must have at least, in seconds, where it is not AWS's default of 3600. */
  readonly maxSessionDuration?: number;
  /** What to put in or to look at, one line each. */
  readonly notes: readonly string[];
  readonly policy: { readonly Version: "2012-10-17"; readonly Statement: readonly Statement[] };
}

/** What AWS gives a role when nobody says otherwise: 1 hour. */
const DEFAULT_SECONDS = 3_600;

interface Trust {
  statements: Statement[];
  seconds: number;
  readonly notes: Set<string>;
}

interface Permission {
  /** The actions by the role that they are allowed on. */
  readonly actions: Map<string, Set<string>>;
  readonly notes: Set<string>;
}

export class PolicyDocuments {
  readonly #trust = new Map<string, Trust>();
  readonly #permission = new Map<string, Permission>();
  /** Finishes each document, in the order in which they were begun. */
  readonly #order: (() => PolicyDocument)[] = [];

  /** @param seconds the duration that the role's sessions are asked for with */
  trust(roleArn: string, statement: Statement, seconds: number, notes: readonly string[]): void {
    const trust = this.#trust.get(roleArn) ?? this.#begin(roleArn);
    trust.statements = merged(trust.statements, statement);
    trust.seconds = Math.max(trust.seconds, seconds);
    for (const note of notes) trust.notes.add(note);
  }

  permission(
    signer: string,
    roleArn: string,
    actions: readonly string[],
    notes: readonly string[],
  ): void {
    const permission = this.#permission.get(signer) ?? this.#beginPermission(signer);
    const allowed = permission.actions.get(roleArn) ?? new Set();
    permission.actions.set(roleArn, allowed);
    for (const action of actions) allowed.add(action);
    for (const note of notes) permission.notes.add(note);
  }

  list(): PolicyDocument[] {
    return this.#order.map((finish) => finish());
  }

  #begin(roleArn: string): Trust {
    const trust: Trust = { statements: [], seconds: DEFAULT_SECONDS, notes: new Set() };
    this.#trust.set(roleArn, trust);
    this.#order.push(() => {
      const document = documentOf("trust", roleArn, trust.statements, trust.notes);
      if (trust.seconds <= DEFAULT_SECONDS) return document;
      const note = `its maximum session duration must be ${trust.seconds} s or more`;
      const notes = [...document.notes, note];
      return { ...document, notes, maxSessionDuration: trust.seconds };
    });
    return trust;
  }

  #beginPermission(signer: string): Permission {
    const permission: Permission = { actions: new Map(), notes: new Set() };
    this.#permission.set(signer, permission);
    this.#order.push(() => {
      const alike = Map.groupBy(permission.actions, ([, actions]) => [...actions].join(" "));
      const statements = [...alike].map(([actions, roles]) =>
        permissionStatement(
          roles.map(([roleArn]) => roleArn),
          actions.split(" "),
        ),
      );
      return documentOf("permission", signer, statements, permission.notes);
    });
    return permission;
  }
}

function documentOf(
  kind: PolicyDocument["kind"],
  attachTo: string,
  statements: readonly Statement[],
  notes: Iterable<string>,
): PolicyDocument {
  const account = principalOf(attachTo)?.accountId ?? attachTo.replace(/^ARN_/, "ACCOUNT_");
  const policy = { Version: "2012-10-17", Statement: statements } as const;
  return { kind, account, attachTo, notes: [...notes], policy };
}

/** `statements` with one more: principals that are trusted in the same words share a statement. */
function merged(statements: readonly Statement[], added: Statement): Statement[] {
  const index = statements.findIndex((one) => withoutAws(one) === withoutAws(added));
  const same = statements[index];
  if (same === undefined) return [...statements, added];
  const arns = new Set([same, added].flatMap(({ Principal = {} }) => Principal["AWS"] ?? []));
  const [only] = arns;
  if (only === undefined) return [...statements];
  const principal = { AWS: arns.size === 1 ? only : [...arns] };
  return statements.with(index, { ...same, Principal: principal });
}

function withoutAws({ Principal = {}, ...rest }: Statement): string {
  const { AWS: _, ...other } = Principal;
  return JSON.stringify([Object.keys(Principal), other, rest]);
}
