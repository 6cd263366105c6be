/** @module File, environment and flags into one checked `Config`, or every problem at once. */
import { access } from "node:fs/promises";
import { CrossroleError } from "../errors.ts";
import { buildConfig } from "./build.ts";
import { readFirstConfig } from "./config-file.ts";
import { crossCheck } from "./cross-checks.ts";
import { problemsOf, refuse } from "./problems.ts";
import { configSchema } from "./schema.ts";
import { fileOf, roleSettingsIn, settingOf, settingsFrom } from "./settings.ts";
import type { Environment, Settings } from "./settings.ts";
import type { Config } from "./types.ts";
import { parseYaml } from "./yaml-text.ts";

/** Where a configuration file is looked for when nobody named one. */
const DEFAULT_FILES = ["crossrole.yaml", "/etc/crossrole/crossrole.yaml"] as const;

export interface LoadOptions {
  readonly flags: Settings;
  readonly environment: Environment;
  /** For session names. */
  readonly hostname: string;
}

/** Where a configuration comes from: a file that can be watched, or settings that stand as they are. */
export type ConfigOrigin =
  | { readonly kind: "file"; readonly path: string; readonly settings: Settings }
  | {
      readonly kind: "settings";
      readonly settings: Settings;
      /** Whether they were said as options of the library. Default: as flags or variables. */
      readonly by?: "option";
    };

/**
 * Decides between file and settings: flags before variables, and never both of one rank.
 *
 * @throws {@link CrossroleError} `ERR_USAGE` when both are said, or neither.
 */
export async function findOrigin({ flags, environment }: LoadOptions): Promise<ConfigOrigin> {
  const variables = settingsFrom(environment);
  const settings: Settings = { ...variables, ...given(flags) };
  if (flags.config !== undefined) {
    const [beside] = roleSettingsIn(flags);
    if (beside === undefined) return { kind: "file", path: flags.config, settings };
    throw usage(`${beside} describes one role without a file: leave out either it or --config`);
  }
  if (flags.roleArn !== undefined) return { kind: "settings", settings };
  if (variables.config !== undefined && variables.roleArn !== undefined) {
    throw usage("CROSSROLE_CONFIG and CROSSROLE_ROLE_ARN are both set: unset one of them");
  }
  if (variables.roleArn !== undefined) return { kind: "settings", settings };
  const [alone] = roleSettingsIn(flags);
  if (alone !== undefined) throw usage(`${alone} needs --role-arn ARN (or CROSSROLE_ROLE_ARN)`);
  const path = variables.config ?? (await firstReadable(DEFAULT_FILES));
  if (path !== undefined) return { kind: "file", path, settings };
  throw usage(
    `say which role: --role-arn ARN, or --config FILE (looked for ${DEFAULT_FILES.join(" and ")})`,
  );
}

/**
 * Loads the configuration from `origin`.
 *
 * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` with every problem: path, rule, value.
 */
export async function loadConfig(origin: ConfigOrigin, options: LoadOptions): Promise<Config> {
  if (origin.kind === "file") {
    const { text } = await readFirstConfig(origin.path);
    return parseConfig(origin, text, options);
  }
  const { name, file } = fileOf(origin.settings);
  const input = overlay(file, origin.settings);
  const source = origin.by === "option" ? "startCrossrole" : "the command line";
  return check(input, options, source, (path) => settingOf(path, name, origin.by));
}

/** {@link loadConfig} of a file whose text has been read. */
export function parseConfig(
  origin: Extract<ConfigOrigin, { kind: "file" }>,
  text: string,
  options: LoadOptions,
): Config {
  const input = overlay(parseYaml(origin.path, text), origin.settings);
  const { region, stsEndpoint } = origin.settings;
  const isSetting = (path: string) =>
    (path === "region" && region !== undefined) ||
    (path === "sts.endpoint" && stsEndpoint !== undefined);
  return check(input, options, origin.path, (path) =>
    isSetting(path) ? settingOf(path, "") : path,
  );
}

/** The settings that may be said beside a file as well. */
function overlay(file: unknown, { region, stsEndpoint }: Settings): unknown {
  if (typeof file !== "object" || file === null || Array.isArray(file)) return file;
  const sts: unknown = Reflect.get(file, "sts");
  return {
    ...file,
    ...(region === undefined ? {} : { region }),
    ...(stsEndpoint === undefined
      ? {}
      : { sts: { ...(typeof sts === "object" ? sts : {}), endpoint: stsEndpoint } }),
  };
}

function check(
  input: unknown,
  options: LoadOptions,
  source: string,
  nameOf: (path: string) => string,
): Config {
  const parsed = configSchema.safeParse(input);
  const region = regionOf(input, options.environment);
  const problems = [
    ...(parsed.success ? [] : problemsOf(parsed.error.issues, input)),
    ...crossCheck(input, region),
  ];
  refuse(source, problems, nameOf);
  if (!parsed.success) throw new TypeError("a configuration with issues has problems");
  return buildConfig(parsed.data, { region, ...options });
}

function regionOf(input: unknown, environment: Environment): string | undefined {
  const said: unknown =
    typeof input === "object" && input !== null ? Reflect.get(input, "region") : undefined;
  if (typeof said === "string") return said;
  return environment["AWS_REGION"] || environment["AWS_DEFAULT_REGION"] || undefined;
}

function given(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

async function firstReadable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

function usage(message: string): CrossroleError {
  return new CrossroleError("ERR_USAGE", message);
}
