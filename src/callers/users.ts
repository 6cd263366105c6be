/** @module From the users that a configuration names to the uids that the kernel knows. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CrossroleError } from "../errors.ts";
import type { AllowedUsers } from "./local-user.ts";

/** A directory service that does not answer must not keep the daemon from saying so: 10 seconds. */
const LOOKUP_TIMEOUT_MS = 10_000;

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
    const options = { timeout: LOOKUP_TIMEOUT_MS };
    const { stdout } = await promisify(execFile)("id", ["-u", "--", user], options);
    return Number(stdout.trim());
  } catch (error) {
    const why =
      error instanceof Error && "code" in error && error.code === 1
        ? "which is no user of this machine"
        : "which cannot be looked up here: name the uid instead";
    const message = `allowUsers names ${JSON.stringify(user)}, ${why}`;
    throw new CrossroleError("ERR_CONFIG_INVALID", message, { cause: error });
  }
}
