/** @module The environment in which only crossrole can answer. */
import { withoutAwsProperties } from "./java-options.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What wins over instance metadata in the provider chain of one SDK or another.
 *
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
const REMOVED: ReadonlySet<string> = new Set([
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_SECURITY_TOKEN",
  // Java v1, Go v1 and Ruby also take these, botocore the file.
  "AWS_ACCESS_KEY",
  "AWS_SECRET_KEY",
  "AMAZON_ACCESS_KEY_ID",
  "AMAZON_SECRET_ACCESS_KEY",
  "AMAZON_SESSION_TOKEN",
  "AWS_CREDENTIAL_FILE",
  "AWS_CREDENTIAL_EXPIRATION",
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_ROLE_ARN",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_ROLE_SESSION_NAME",
  "AWS_EC2_METADATA_DISABLED",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
]);

/** The container protocol's variables, and crossrole's own: an external id is no business of the child. */
const REMOVED_PREFIXES = [
  "AWS_CONTAINER_CREDENTIALS_",
  "AWS_CONTAINER_AUTHORIZATION_",
  "CROSSROLE_",
] as const;

const LOOPBACK = ["127.0.0.1", "localhost", "::1"] as const;

/** How the child finds its credentials. Only one way is shown: SDKs differ in which they prefer. */
type Way =
  | {
      readonly protocol: "imds";
      /** `http://127.0.0.1:PORT`: no path, because five SDKs drop it; no slash, because one doubles it. */
      readonly endpoint: string;
    }
  | { readonly protocol: "container"; readonly uri: string; readonly token: string };

export interface ChildOptions {
  readonly way: Way;
  readonly region: string | undefined;
  /** Leaves the shared credentials and config files in sight, and those of boto. */
  readonly keepAwsFiles: boolean;
  /** A file that is there, readable and empty on this platform. */
  readonly emptyFile: string;
}

/** `environment` as the child gets it: what would win taken out, the way to crossrole put in. */
export function childEnvironment(
  environment: Environment,
  { way, region, keepAwsFiles, emptyFile }: ChildOptions,
): Record<string, string> {
  const child = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || isRemoved(name)) continue;
    const kept = withoutAwsProperties(name, value);
    if (kept !== undefined) child.set(name, kept);
  }
  const { NO_PROXY: upper, no_proxy: lower } = environment;
  return {
    // Not by assignment, which loses a variable that is called __proto__.
    ...Object.fromEntries(child),
    ...variablesOf(way),
    AWS_METADATA_SERVICE_TIMEOUT: "5",
    AWS_METADATA_SERVICE_NUM_ATTEMPTS: "3",
    NO_PROXY: withLoopback(upper || lower),
    no_proxy: withLoopback(lower || upper),
    ...(region === undefined ? {} : { AWS_REGION: region, AWS_DEFAULT_REGION: region }),
    ...(keepAwsFiles ? {} : awsFilesAt(emptyFile)),
  };
}

/** What leads every SDK away from the files of `~/.aws`, and botocore from those of boto. */
function awsFilesAt(file: string): Record<string, string> {
  return {
    AWS_SHARED_CREDENTIALS_FILE: file,
    AWS_CONFIG_FILE: file,
    // Java v1 heeds this one alone.
    AWS_CREDENTIAL_PROFILES_FILE: file,
    // botocore's other file. Unless this says where it is, ~/.boto and /etc/boto.cfg win by their keys.
    BOTO_CONFIG: file,
    // Without it the SDK for JavaScript v2 reads ~/.aws/credentials, whatever the others say.
    AWS_SDK_LOAD_CONFIG: "1",
  };
}

function variablesOf(way: Way): Record<string, string> {
  if (way.protocol === "imds") {
    return {
      AWS_EC2_METADATA_SERVICE_ENDPOINT: way.endpoint,
      AWS_EC2_METADATA_V1_DISABLED: "true",
    };
  }
  return {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: way.uri,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: way.token,
  };
}

function isRemoved(name: string): boolean {
  return REMOVED.has(name) || REMOVED_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** botocore and Ruby send even metadata requests, and so the credentials, through a proxy. */
function withLoopback(noProxy: string | undefined): string {
  const known = (noProxy ?? "")
    .split(",")
    .map((host) => host.trim())
    .filter((host) => host !== "");
  if (known.includes("*")) return "*";
  return [...known, ...LOOPBACK.filter((host) => !known.includes(host))].join(",");
}
