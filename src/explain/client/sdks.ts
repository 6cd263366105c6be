/** @module What each SDK looks at for credentials, in its own order: data, read from the SDKs' sources or seen in runs. */

/** What a profile of the AWS files can have. */
export type ProfileKind = "keys" | "role" | "webIdentity" | "sso" | "login" | "process";

/** One provider of a chain. An object: profiles that have one of these. */
export type Link =
  | "environment"
  | "javaProperties"
  | "webIdentity"
  | "container"
  | "instance"
  | "credentialFile"
  | "botoConfig"
  | { readonly profile: readonly ProfileKind[] };

export interface Sdk {
  readonly name: SdkName;
  readonly chain: readonly Link[];
  /** Variables of a key, any of the first with any of the second. */
  readonly keyIds: readonly string[];
  readonly secrets: readonly string[];
  /** Variables that name the profile, the first that is set. */
  readonly profiles: readonly string[];
  /** What of the AWS files it reads. */
  readonly files: "both" | "jsV2" | "javaV1";
  /** Whether the path of `AWS_EC2_METADATA_SERVICE_ENDPOINT` goes in front of `/latest`. */
  readonly endpointPath: "kept" | "dropped";
  /** Whether metadata requests go through HTTP_PROXY: never, always, or to what is not loopback. */
  readonly proxied: "never" | "always" | "remote";
  /** The chain ends here with an error, where others go on to the next provider. */
  readonly failsOn: readonly ("halfKeys" | "halfWebIdentity" | "unknownProfile")[];
  /** A profile that is named makes it pass over keys in variables. */
  readonly profileBeforeKeys?: boolean;
  /** It takes no token file that ends in a newline. */
  readonly bareToken?: boolean;
  /** It asks `//latest` where the endpoint ends in a slash. */
  readonly doublesSlash?: boolean;
  /** It has no IMDSv1 that could be switched off. */
  readonly v2Only?: boolean;
}

export const SDK_NAMES = [
  "boto3",
  "cli",
  "go-v2",
  "java-v2",
  "java-v1",
  "js-v3",
  "js-v2",
  "rust",
  "ruby",
  "php",
  "dotnet",
  "cpp",
] as const;

export type SdkName = (typeof SDK_NAMES)[number];

const ANY_PROFILE = {
  profile: ["keys", "role", "webIdentity", "sso", "login", "process"],
} as const;

/** The order that most have settled on, and what they have in common. */
const COMMON = {
  chain: ["environment", ANY_PROFILE, "webIdentity", "container", "instance"],
  keyIds: ["AWS_ACCESS_KEY_ID"],
  secrets: ["AWS_SECRET_ACCESS_KEY"],
  profiles: ["AWS_PROFILE"],
  files: "both",
  endpointPath: "kept",
  proxied: "never",
  failsOn: [],
} as const satisfies Omit<Sdk, "name">;

/** Whatever its profile: keys, then the token of web identity, then the profile. */
const TOKEN_FIRST = ["environment", "webIdentity", ANY_PROFILE, "container", "instance"] as const;

const BOTOCORE = {
  ...COMMON,
  chain: [
    "environment",
    { profile: ["role"] },
    "webIdentity",
    { profile: ["webIdentity", "sso", "keys", "login", "process"] },
    "credentialFile",
    "botoConfig",
    "container",
    "instance",
  ],
  // In this order, unlike everybody else.
  profiles: ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"],
  proxied: "always",
  bareToken: true,
  failsOn: ["halfKeys", "halfWebIdentity", "unknownProfile"],
} as const satisfies Omit<Sdk, "name">;

/**
 * The SDKs by name. .NET is the one of version 4; version 3 asks for web identity and profiles before
 * keys in variables, with the same outcome here: each of them wins over crossrole.
 *
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
export const SDKS: readonly Sdk[] = [
  { ...BOTOCORE, name: "boto3" },
  { ...BOTOCORE, name: "cli" },
  {
    ...COMMON,
    name: "go-v2",
    chain: TOKEN_FIRST,
    keyIds: ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"],
    secrets: ["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"],
    profiles: ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"],
    endpointPath: "dropped",
    proxied: "remote",
    failsOn: ["halfWebIdentity", "unknownProfile"],
  },
  {
    ...COMMON,
    name: "java-v2",
    chain: ["javaProperties", ...TOKEN_FIRST],
    doublesSlash: true,
  },
  {
    ...COMMON,
    name: "java-v1",
    chain: ["environment", "javaProperties", ...TOKEN_FIRST.slice(1)],
    keyIds: ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"],
    secrets: ["AWS_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"],
    files: "javaV1",
  },
  { ...COMMON, name: "js-v3", endpointPath: "dropped", profileBeforeKeys: true, bareToken: true },
  {
    ...COMMON,
    name: "js-v2",
    chain: [
      "environment",
      { profile: ["sso", "keys", "role", "webIdentity"] },
      "container",
      { profile: ["process"] },
      "webIdentity",
      "instance",
    ],
    keyIds: ["AWS_ACCESS_KEY_ID", "AMAZON_ACCESS_KEY_ID"],
    secrets: ["AWS_SECRET_ACCESS_KEY", "AMAZON_SECRET_ACCESS_KEY"],
    files: "jsV2",
    bareToken: true,
    doublesSlash: true,
  },
  { ...COMMON, name: "rust", v2Only: true },
  {
    ...COMMON,
    name: "ruby",
    chain: TOKEN_FIRST,
    keyIds: ["AWS_ACCESS_KEY_ID", "AMAZON_ACCESS_KEY_ID", "AWS_ACCESS_KEY"],
    secrets: ["AWS_SECRET_ACCESS_KEY", "AMAZON_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"],
    endpointPath: "dropped",
    proxied: "remote",
  },
  { ...COMMON, name: "php", chain: TOKEN_FIRST },
  { ...COMMON, name: "dotnet", chain: TOKEN_FIRST },
  {
    ...COMMON,
    name: "cpp",
    chain: [
      "environment",
      { profile: ["keys", "process"] },
      "webIdentity",
      { profile: ["sso"] },
      "container",
      "instance",
    ],
    profiles: ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"],
  },
];
