/** @module The name of a role session: from a template, stable, within STS's alphabet and length. */
import { createHash } from "node:crypto";

/** @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
const MIN_LENGTH = 2;
const MAX_LENGTH = 64;
const HASH_LENGTH = 8;

/** The values of a template's placeholders. */
export type SessionNames = Readonly<Partial<Record<string, string>>>;

/**
 * Fills `template` (`{hostname}`, `{role}`, …) with `names`. What STS does not allow becomes `-`. A
 * name that is too long is cut, and ends in a hash of the whole: two names that differ anywhere
 * differ after the cut too, and the same name is the same on every day.
 *
 * @returns 2 to 64 characters of `[\w+=,.@-]`.
 */
export function sessionNameOf(template: string, names: SessionNames): string {
  const valueOf = (name: string) => (Object.hasOwn(names, name) ? (names[name] ?? "") : "");
  const whole = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => valueOf(name));
  const allowed = whole.replaceAll(/[^\w+=,.@-]/g, "-").padEnd(MIN_LENGTH, "-");
  if (allowed.length <= MAX_LENGTH) return allowed;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, HASH_LENGTH);
  return `${allowed.slice(0, MAX_LENGTH - HASH_LENGTH - 1)}-${hash}`;
}
