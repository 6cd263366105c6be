/** @module One role with no file: flags and `CROSSROLE_*` variables, as the file they stand for. */
import { parseRoleArn } from "../credentials/role-arn.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What flags and variables can say. A flag wins over its variable, a variable over the file. */
export interface Settings {
  readonly config?: string | undefined;
  readonly roleArn?: string | undefined;
  readonly via?: readonly string[] | undefined;
  readonly externalId?: string | undefined;
  readonly listen?: string | undefined;
  readonly sessionName?: string | undefined;
  readonly durationSeconds?: string | undefined;
  readonly profile?: string | undefined;
  readonly region?: string | undefined;
  readonly stsEndpoint?: string | undefined;
}

/** Where each setting can be said, and where it lands in the file that it stands for. */
const SETTINGS = {
  config: { flag: "--config", variable: "CROSSROLE_CONFIG", path: "" },
  roleArn: { flag: "--role-arn", variable: "CROSSROLE_ROLE_ARN", path: "arn" },
  via: { flag: "--via", variable: "CROSSROLE_VIA", path: "via" },
  externalId: { flag: "--external-id", variable: "CROSSROLE_EXTERNAL_ID", path: "externalId" },
  listen: { flag: "--listen", variable: "CROSSROLE_LISTEN", path: "listeners[0].address" },
  sessionName: { flag: "--session-name", variable: "CROSSROLE_SESSION_NAME", path: "sessionName" },
  durationSeconds: {
    flag: "--duration-seconds",
    variable: "CROSSROLE_DURATION_SECONDS",
    path: "durationSeconds",
  },
  profile: { flag: "--profile", variable: "CROSSROLE_PROFILE", path: "bases.profile.profile" },
  region: { flag: "--region", variable: "CROSSROLE_REGION", path: "region" },
  stsEndpoint: { flag: "--sts-endpoint", variable: "CROSSROLE_STS_ENDPOINT", path: "sts.endpoint" },
} as const satisfies Record<keyof Settings, { flag: string; variable: string; path: string }>;

/** The settings that `CROSSROLE_*` variables give; an empty variable counts as none. */
export function settingsFrom(environment: Environment): Settings {
  const value = (name: keyof Settings) => environment[SETTINGS[name].variable] || undefined;
  return {
    config: value("config"),
    roleArn: value("roleArn"),
    via: value("via")
      ?.split(/[\s,]+/)
      .filter((arn) => arn !== ""),
    externalId: value("externalId"),
    listen: value("listen"),
    sessionName: value("sessionName"),
    durationSeconds: value("durationSeconds"),
    profile: value("profile"),
    region: value("region"),
    stsEndpoint: value("stsEndpoint"),
  };
}

/** Where a client that knows nothing of crossrole is told to look, when nobody said otherwise. */
const DEFAULT_LISTEN = "127.0.0.1:9911";

/** The configuration file that `settings` stand for, and the name of its one role. */
export function fileOf(settings: Settings): { readonly name: string; readonly file: unknown } {
  const name = nameOf(settings.roleArn ?? "");
  const duration = settings.durationSeconds;
  const role = {
    arn: settings.roleArn,
    via: settings.via,
    externalId: settings.externalId,
    sessionName: settings.sessionName,
    // What is no number stays as it is, for the rule to name it.
    durationSeconds: /^\d+$/.test(duration ?? "") ? Number(duration) : duration,
    base: settings.profile === undefined ? undefined : "profile",
  };
  const file = {
    bases: settings.profile === undefined ? undefined : { profile: { profile: settings.profile } },
    roles: { [name]: withoutNothing(role) },
    listeners: [{ address: settings.listen ?? DEFAULT_LISTEN, role: name }],
  };
  return { name, file: withoutNothing(file) };
}

/** A problem's path in that file, as what the user wrote: `--via or CROSSROLE_VIA`, or `via` of the library. */
export function settingOf(path: string, name: string, by: "flag" | "option" = "flag"): string {
  const inRole = path.replace(`roles.${name}.`, "");
  const found = Object.entries(SETTINGS).find(
    ([, setting]) =>
      setting.path !== "" && (inRole === setting.path || inRole.startsWith(`${setting.path}[`)),
  );
  if (found === undefined) return path;
  const [option, { flag, variable }] = found;
  return by === "option" ? option : `${flag} or ${variable}`;
}

/** The flags and variables that describe one role, and so make no sense beside a file. */
export function roleSettingsIn(settings: Settings): string[] {
  const names = [
    "roleArn",
    "via",
    "externalId",
    "listen",
    "sessionName",
    "durationSeconds",
    "profile",
  ] as const;
  return names.filter((name) => settings[name] !== undefined).map((name) => SETTINGS[name].flag);
}

/** What clients see: the role's own name, where it is made of what a role name may have. */
function nameOf(arn: string): string {
  const parsed = parseRoleArn(arn);
  if (typeof parsed === "string") return "role";
  return parsed.roleName.replaceAll(/[^A-Za-z0-9._-]/g, "-").padEnd(2, "-");
}

function withoutNothing(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
}
