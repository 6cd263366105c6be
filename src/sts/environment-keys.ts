/** @module Keys in an environment that need not be this process's own: a library is given one. */
import type { Identity } from "./process-credentials.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** With the note that the SDK's provider leaves of itself. */
interface NotedIdentity extends Identity {
  readonly $source: { readonly CREDENTIALS_ENV_VARS: "g" };
}

/**
 * The keys that `environment` has, as the SDK's provider takes them from the process's; undefined when
 * there are none.
 */
export function keysIn(environment: Environment): NotedIdentity | undefined {
  const accessKeyId = environment["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = environment["AWS_SECRET_ACCESS_KEY"];
  if (!accessKeyId || !secretAccessKey) return undefined;
  const expiration = environment["AWS_CREDENTIAL_EXPIRATION"];
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken: environment["AWS_SESSION_TOKEN"] || undefined,
    expiration: expiration ? new Date(expiration) : undefined,
    $source: { CREDENTIALS_ENV_VARS: "g" },
  };
}
