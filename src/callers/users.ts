/** @module From the users that a configuration names to the uids that the kernel knows. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CrossroleError } from "../errors.ts";
import type { AllowedUsers } from "./local-user.ts";

/**
 * The uids of `users`, and `own` when nobody is named.
 *
 * @param users names or uids; `"any"` for whoever reaches the listener.
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` for a name that this machine does not know.
 */
export async function resolveUsers(
  users: "any" | readonly (string | number)[] | undefined,
  own: number | undefined,
): Promise<AllowedUsers> {
  if (users === "any") return "any";
  const named = await Promise.all((users ?? []).map(uidOf));
  return new Set(own === undefined ? named : [own, ...named]);
}

async function uidOf(user: string | number): Promise<number> {
  if (typeof user === "number") return user;
  if (/^\d+$/.test(user)) return Number(user);
  try {
    // Not /etc/passwd: the name may live in LDAP, and `id` asks whatever the machine is set up for.
    const { stdout } = await promisify(execFile)("id", ["-u", "--", user]);
    return Number(stdout.trim());
  } catch (error) {
    const message = `allowUsers names ${JSON.stringify(user)}, which is no user of this machine`;
    throw new CrossroleError("ERR_CONFIG_INVALID", message, { cause: error });
  }
}
