/** @module What wins over crossrole in the chain of one SDK, in its order. Pure. */
import type { ClientFinding } from "./client-report.ts";
import type { Profile, Profiles } from "./aws-files.ts";
import type { Link, ProfileKind, Sdk } from "./sdks.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface Surroundings {
  readonly environment: Environment;
  readonly profiles: Profiles;
  /** The file of boto that has keys. */
  readonly botoFile: string | undefined;
  /** Where the chain is meant to end. */
  readonly way: "container" | "metadata";
}

/** Every provider before the one that is meant to answer, as far as there is something for it. */
export function rivalsOf(sdk: Sdk, surroundings: Surroundings): ClientFinding[] {
  const end = sdk.chain.indexOf(surroundings.way === "container" ? "container" : "instance");
  const before = sdk.chain.slice(0, end);
  const found = before.flatMap((link) => rivalAt(link, sdk, surroundings));
  return [...unknownProfile(sdk, surroundings), ...found];
}

function rivalAt(link: Link, sdk: Sdk, surroundings: Surroundings): ClientFinding[] {
  const { environment } = surroundings;
  if (typeof link === "object") return profileRival(link.profile, sdk, surroundings);
  switch (link) {
    case "environment":
      return keysRival(sdk, environment);
    case "javaProperties":
      return propertiesRival(environment);
    case "webIdentity":
      return webIdentityRival(sdk, environment);
    case "credentialFile":
      return credentialFileRival(environment);
    case "botoConfig":
      return botoRival(surroundings);
    // What of these two is there decides the way: neither is a rival of the other.
    case "container":
    case "instance":
      return [];
  }
}

function keysRival(sdk: Sdk, environment: Environment): ClientFinding[] {
  const keyId = sdk.keyIds.find((name) => environment[name]);
  const secret = sdk.secrets.find((name) => environment[name]);
  if (keyId === undefined) return [];
  if (secret === undefined) {
    if (!sdk.failsOn.includes("halfKeys")) return [];
    const message = `it is set without ${sdk.secrets.join(" or ")}: the chain ends with an error`;
    return [error("incomplete", keyId, message, `unset ${keyId}`)];
  }
  if (sdk.profileBeforeKeys === true && namedProfile(sdk, environment) !== undefined) return [];
  const all = [keyId, secret, ...["AWS_SESSION_TOKEN"].filter((name) => environment[name])];
  const message = "keys in variables come before everything else";
  return [error("environment-keys", all.join(", "), message, `unset ${all.join(" ")}`)];
}

/** The JVM reads these before the program has a say. */
function propertiesRival(environment: Environment): ClientFinding[] {
  const variable = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"].find((name) =>
    /-Daws\.(?:accessKeyId|secretKey|secretAccessKey)=/.test(environment[name] ?? ""),
  );
  if (variable === undefined) return [];
  const message = "it sets the property aws.accessKeyId, which comes before crossrole";
  return [error("java-properties", variable, message, "take -Daws.… out of it")];
}

function webIdentityRival(sdk: Sdk, environment: Environment): ClientFinding[] {
  const token = "AWS_WEB_IDENTITY_TOKEN_FILE";
  const role = "AWS_ROLE_ARN";
  if (!environment[token]) return [];
  if (environment[role]) {
    const message = "the role of IRSA, or of another web identity, comes before crossrole";
    const fix = `unset ${token} ${role}, or keep EKS's webhook from this container`;
    return [error("web-identity", `${token}, ${role}`, message, fix)];
  }
  if (!sdk.failsOn.includes("halfWebIdentity")) return [];
  const message = `it is set without ${role}: the chain ends with an error`;
  return [error("incomplete", token, message, `unset ${token}`)];
}

function credentialFileRival(environment: Environment): ClientFinding[] {
  const variable = "AWS_CREDENTIAL_FILE";
  if (!environment[variable]) return [];
  const message = "the file of the old EC2 tools comes before crossrole";
  return [error("credential-file", variable, message, `unset ${variable}`)];
}

function botoRival({ environment, botoFile }: Surroundings): ClientFinding[] {
  if (botoFile === undefined) return [];
  const by = environment["BOTO_CONFIG"] === undefined ? "" : " (BOTO_CONFIG)";
  const message = "it has keys for boto, which botocore takes before it asks crossrole";
  const fix = "take [Credentials] out of it, or point BOTO_CONFIG at an empty file";
  return [error("boto-config", `${botoFile}${by}`, message, fix)];
}

const KINDS: Readonly<Record<ProfileKind, string>> = {
  keys: "has keys",
  role: "assumes a role",
  webIdentity: "assumes a role by web identity",
  sso: "signs in by SSO",
  login: "signs in by aws login",
  process: "runs a credential_process",
};

/** What an SDK finds its files by. */
const FILES: Readonly<Record<Sdk["files"], string>> = {
  both: "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE",
  jsV2: "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE (with AWS_SDK_LOAD_CONFIG=1)",
  javaV1: "AWS_CREDENTIAL_PROFILES_FILE",
};

function profileRival(
  kinds: readonly ProfileKind[],
  sdk: Sdk,
  { environment, profiles }: Surroundings,
): ClientFinding[] {
  const variable = namedProfile(sdk, environment);
  const name = environment[variable ?? ""] || "default";
  const has = (profile: Profile) => kinds.some((kind) => profile.kinds.has(kind));
  const profile = (profiles.get(name) ?? []).find(has);
  const kind = kinds.find((one) => profile?.kinds.has(one));
  if (profile === undefined || kind === undefined) return [];
  const by = variable === undefined ? "" : ` (${variable})`;
  const message = `it ${KINDS[kind]}, which comes before crossrole`;
  const fix =
    variable === undefined
      ? `take the profile away, or point ${FILES[sdk.files]} at an empty file`
      : `unset ${variable}`;
  return [error("profile", `profile ${name} of ${profile.file}${by}`, message, fix)];
}

function unknownProfile(sdk: Sdk, { environment, profiles }: Surroundings): ClientFinding[] {
  const variable = namedProfile(sdk, environment);
  const name = environment[variable ?? ""];
  if (variable === undefined || name === undefined || profiles.has(name)) return [];
  if (!sdk.failsOn.includes("unknownProfile")) return [];
  const message = `it names the profile ${name}, which is in no file: the SDK does not start`;
  return [error("unknown-profile", variable, message, `unset ${variable}`)];
}

/** The variable that names the profile; undefined for the default one. */
function namedProfile(sdk: Sdk, environment: Environment): string | undefined {
  return sdk.profiles.find((name) => environment[name]);
}

function error(
  code: ClientFinding["code"],
  what: string,
  message: string,
  fix: string,
): ClientFinding {
  return { level: "error", code, what, message, fix };
}
