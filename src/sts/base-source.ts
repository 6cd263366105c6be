/** @module Where base credentials were found: the SDK says it of what its chain gives, by a letter for each provider. */
import type { BaseProvider } from "../credentials/types.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Keys that somebody put into variables. */
export const KEYS = "the environment (AWS_ACCESS_KEY_ID)";

/**
 * The names under which the SDK notes a provider in `$source`, the most telling first: a profile that
 * assumes a role notes what it signs with as well.
 *
 * @see https://github.com/aws/aws-sdk-js-v3/blob/main/packages/types/src/feature-ids.ts
 */
const SOURCES: readonly (readonly [string, (profile: string) => string])[] = [
  ["CREDENTIALS_PROFILE_SOURCE_PROFILE", (profile) => `profile ${profile}, which assumes a role`],
  ["CREDENTIALS_PROFILE_NAMED_PROVIDER", (profile) => `profile ${profile}, which assumes a role`],
  ["CREDENTIALS_PROFILE_STS_WEB_ID_TOKEN", (profile) => `profile ${profile}, by its web identity`],
  ["CREDENTIALS_PROFILE_SSO", (profile) => `profile ${profile}, by SSO`],
  ["CREDENTIALS_PROFILE_SSO_LEGACY", (profile) => `profile ${profile}, by SSO`],
  ["CREDENTIALS_PROFILE_LOGIN", (profile) => `profile ${profile}, by aws login`],
  ["CREDENTIALS_PROFILE_PROCESS", (profile) => `profile ${profile}, by its credential_process`],
  ["CREDENTIALS_PROCESS", (profile) => `profile ${profile}, by its credential_process`],
  ["CREDENTIALS_PROFILE", (profile) => `profile ${profile}, by its keys`],
  ["CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN", () => "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"],
  ["CREDENTIALS_ENV_VARS", () => KEYS],
  ["CREDENTIALS_HTTP", () => "container credentials"],
  ["CREDENTIALS_IMDS", () => "instance metadata"],
];

/** The source of `identity`, in words: names of variables and profiles, never a value. */
export function sourceOf(
  identity: object,
  provider: BaseProvider,
  environment: Environment,
): string {
  if (provider.kind === "process") return "the command of the configuration";
  if (provider.kind === "environment") return KEYS;
  const noted: unknown = Reflect.get(identity, "$source");
  const names = typeof noted === "object" && noted !== null ? noted : {};
  const profile =
    provider.kind === "profile" ? provider.profile : (environment["AWS_PROFILE"] ?? "default");
  const found = SOURCES.find(([name]) => Object.hasOwn(names, name));
  if (found !== undefined) return found[1](profile);
  return provider.kind === "profile" ? `profile ${profile}` : unnotedIn(identity, environment);
}

/** Keys in variables are taken without the SDK, and the last link of its chain leaves no note. */
function unnotedIn(identity: object, environment: Environment): string {
  const keyId: unknown = Reflect.get(identity, "accessKeyId");
  if (keyId === environment["AWS_ACCESS_KEY_ID"]) return KEYS;
  const isContainer =
    environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] ||
    environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  return isContainer ? "container credentials" : "instance metadata";
}
