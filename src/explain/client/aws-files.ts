/** @module The AWS files as far as they decide where credentials come from: names of profiles and keys, never a value. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { ProfileKind, Sdk } from "./sdks.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A profile, and the file that has it. */
export interface Profile {
  readonly kinds: ReadonlySet<ProfileKind>;
  readonly file: string;
}

/** What an SDK would read: the profiles by name, of all files together. */
export type Profiles = ReadonlyMap<string, readonly Profile[]>;

/** The text of each file that an SDK might read, by its path; undefined for one that cannot be read. */
export type AwsFiles = ReadonlyMap<string, string | undefined>;

export async function readAwsFiles(environment: Environment, home: string): Promise<AwsFiles> {
  const paths = new Set([
    ...Object.values(pathsIn(environment, home)),
    ...botoPathsIn(environment, home),
  ]);
  const read = [...paths].map(
    async (file) => [file, await readFile(file, "utf8").catch(() => undefined)] as const,
  );
  return new Map(await Promise.all(read));
}

/** The profiles that `sdk` sees. */
export function profilesOf(
  sdk: Sdk,
  files: AwsFiles,
  environment: Environment,
  home: string,
): Profiles {
  const profiles = new Map<string, Profile[]>();
  for (const { file, isConfig } of filesOf(sdk, files, environment, home)) {
    for (const [name, kinds] of sectionsIn(files.get(file) ?? "", isConfig)) {
      profiles.set(name, [...(profiles.get(name) ?? []), { kinds, file }]);
    }
  }
  return profiles;
}

/** The file of boto that has keys, which botocore still takes; undefined where none has. */
export function botoFileOf(
  files: AwsFiles,
  environment: Environment,
  home: string,
): string | undefined {
  const hasKeys = (file: string) =>
    sectionsIn(files.get(file) ?? "", false)
      .get("Credentials")
      ?.has("keys") === true;
  return botoPathsIn(environment, home).find(hasKeys);
}

/** A variable that is set but empty hides the other two as well. */
function botoPathsIn({ BOTO_CONFIG: said }: Environment, home: string): readonly string[] {
  if (said === undefined) return ["/etc/boto.cfg", path.join(home, ".boto")];
  return said === "" ? [] : [inHome(said, home)];
}

function filesOf(sdk: Sdk, files: AwsFiles, environment: Environment, home: string) {
  const { credentials, config, java, ownCredentials, ownConfig } = pathsIn(environment, home);
  const both = [
    { file: credentials, isConfig: false },
    { file: config, isConfig: true },
  ];
  switch (sdk.files) {
    case "both":
      return both;
    case "jsV2":
      // Without this variable it heeds neither the config file nor the variables that name the files.
      return environment["AWS_SDK_LOAD_CONFIG"]
        ? both
        : [{ file: ownCredentials, isConfig: false }];
    case "javaV1":
      // The config file is read for keys only where the other is missing.
      return files.get(java) === undefined
        ? [{ file: ownConfig, isConfig: true }]
        : [{ file: java, isConfig: false }];
  }
}

/** Java v1 has a variable of its own, and does not heed the one of all others. `own…` heed none. */
function pathsIn(environment: Environment, home: string) {
  const at = (name: string, file: string) => {
    const said = environment[name] || path.join(home, ".aws", file);
    return inHome(said, home);
  };
  return {
    credentials: at("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    config: at("AWS_CONFIG_FILE", "config"),
    java: at("AWS_CREDENTIAL_PROFILES_FILE", "credentials"),
    ownCredentials: path.join(home, ".aws", "credentials"),
    ownConfig: path.join(home, ".aws", "config"),
  };
}

function inHome(file: string, home: string): string {
  return file.replace(/^~(?=\/)/, home);
}

/** @see https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html */
function sectionsIn(text: string, isConfig: boolean): Map<string, ReadonlySet<ProfileKind>> {
  const keys = new Map<string, Set<string>>();
  let section: Set<string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    const heading = /^\s*\[([^\]]+)\]/.exec(line)?.[1]?.trim();
    if (heading !== undefined) {
      const name = nameOf(heading, isConfig);
      section = name === undefined ? undefined : (keys.get(name) ?? new Set());
      if (name !== undefined && section !== undefined) keys.set(name, section);
      continue;
    }
    // An indented line belongs to the value of the one above it. Nothing behind `=` is looked at but that it is there.
    const key = /^([A-Za-z][\w-]*)\s*=\s*\S/.exec(line)?.[1];
    if (key !== undefined) section?.add(key.toLowerCase());
  }
  return new Map([...keys].map(([name, found]) => [name, kindsOf(found)]));
}

/** In the config file a profile is called so, but for the default one; other sections are none. */
function nameOf(heading: string, isConfig: boolean): string | undefined {
  if (!isConfig || heading === "default") return heading;
  return /^profile\s+["']?(.+?)["']?$/.exec(heading)?.[1];
}

function kindsOf(keys: ReadonlySet<string>): ReadonlySet<ProfileKind> {
  const kinds = new Set<ProfileKind>();
  const has = (...names: readonly string[]) => names.some((name) => keys.has(name));
  if (has("aws_access_key_id") && has("aws_secret_access_key")) kinds.add("keys");
  if (has("role_arn") && has("source_profile", "credential_source")) kinds.add("role");
  if (has("role_arn") && has("web_identity_token_file")) kinds.add("webIdentity");
  if (has("sso_session", "sso_start_url")) kinds.add("sso");
  if (has("login_session")) kinds.add("login");
  if (has("credential_process")) kinds.add("process");
  return kinds;
}
