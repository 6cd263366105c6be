/** @module From a file that fits the schema to the `Config`: defaults filled in, names resolved. */
import type { AuthorizationToken } from "../callers/types.ts";
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { BaseCredentials, BaseProvider } from "../credentials/types.ts";
import { sessionNameOf } from "../credentials/session-name.ts";
import { buildKubernetes } from "./build-kubernetes.ts";
import { refuse } from "./problems.ts";
import { httpUrl } from "./rules.ts";
import type { ConfigFile } from "./schema.ts";
import type { Environment } from "./settings.ts";
import type { Address, Config, Listener, Role, StsSettings } from "./types.ts";

interface BuildOptions {
  readonly region: string | undefined;
  readonly environment: Environment;
  readonly hostname: string;
}

/** What AWS caps a session at that was assumed by a role: see DESIGN section 4. */
const CHAINED_SECONDS = 3_600;

/** STS calls per second, and at once: far below AWS's 600 a second for an account and region. */
const CALLS_PER_SECOND = 10;
const BURST = 20;

/** The name of the session that a web-identity base is. */
const BASE_SESSION_NAME = "crossrole-{hostname}";

type RoleFile = ConfigFile["roles"][string];
type BaseFile = NonNullable<ConfigFile["bases"]>[string];

export function buildConfig(file: ConfigFile, options: BuildOptions): Config {
  const notices: string[] = [];
  const sts = buildSts(file, options, notices);
  const roles = Object.entries(file.roles).map(([name, role]) =>
    buildRole(name, role, { file, notices, ...options }),
  );
  return {
    region: options.region,
    sts,
    roles: new Map(roles.map((role) => [role.name, role])),
    listeners: (file.listeners ?? []).map(buildListener),
    associations: file.associations ?? [],
    kubernetes: buildKubernetes(file, {
      node: options.environment["NODE_NAME"],
      baseOf: (name, region) => buildBase(name, region, { file, notices, ...options }),
      region: options.region,
      notices,
    }),
    operations: file.operations === undefined ? undefined : addressOf(file.operations),
    stateDirectory: file.state?.directory,
    notices,
  };
}

/** AWS's own variables for another endpoint are heeded, as everywhere, but never in silence. */
function buildSts(file: ConfigFile, { environment }: BuildOptions, notices: string[]): StsSettings {
  const ignored = environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]?.toLowerCase() === "true";
  const variable = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"].find((name) => environment[name]);
  let endpoint = file.sts?.endpoint;
  if (endpoint === undefined && variable !== undefined && !ignored) {
    endpoint = environment[variable];
    const [issue] = httpUrl.safeParse(endpoint).error?.issues ?? [];
    if (issue !== undefined) refuse("environment", [{ path: variable, message: issue.message }]);
    notices.push(`STS is asked at ${endpoint}, because ${variable} says so`);
  }
  return {
    endpoint,
    callsPerSecond: file.sts?.callsPerSecond ?? CALLS_PER_SECOND,
    burst: file.sts?.burst ?? BURST,
  };
}

interface RoleContext extends BuildOptions {
  readonly file: ConfigFile;
  readonly notices: string[];
}

function buildRole(name: string, role: RoleFile, context: RoleContext): Role {
  const region = context.region ?? checkedRoleArn(role.arn).partition.defaultRegion;
  const base = buildBase(role.base ?? "default", region, context);
  return {
    name,
    arn: role.arn,
    base,
    namesBase: role.base !== undefined,
    region,
    via: role.via ?? [],
    externalId: role.externalId,
    sessionName: role.sessionName,
    durationSeconds: buildDuration(name, role, base.provider, context.notices),
    sessionTags: role.sessionTags ?? {},
    transitiveTagKeys: role.transitiveTagKeys ?? [],
    sourceIdentity: role.sourceIdentity,
    policyArns: role.policyArns ?? [],
    policy: role.policy === undefined ? undefined : JSON.stringify(role.policy),
    imdsV1: role.imdsV1 ?? false,
    authorizationToken: buildToken(name, role, context.environment),
  };
}

/** Behind another role AWS gives one hour at most, and refuses who asks for more: ask for the hour. */
function buildDuration(
  name: string,
  role: RoleFile,
  provider: BaseProvider,
  notices: string[],
): number {
  const seconds = role.durationSeconds ?? CHAINED_SECONDS;
  const isChained = (role.via ?? []).length > 0 || ALWAYS_A_ROLE.has(provider.kind);
  if (!isChained || seconds <= CHAINED_SECONDS) return seconds;
  notices.push(
    `roles.${name}.durationSeconds is ${seconds}, but AWS ends a session after ${CHAINED_SECONDS} s ` +
      `that was assumed by another role: ${CHAINED_SECONDS} is asked for`,
  );
  return CHAINED_SECONDS;
}

/** Bases that are themselves a role's session, whatever the machine. */
const ALWAYS_A_ROLE: ReadonlySet<BaseProvider["kind"]> = new Set([
  "webIdentity",
  "container",
  "instance",
]);

function buildBase(name: string, region: string, { file, hostname }: RoleContext): BaseCredentials {
  const base = file.bases?.[name];
  const provider = base === undefined ? ({ kind: "default" } as const) : providerOf(base, hostname);
  return { kind: "base", name, provider, region };
}

function providerOf(base: BaseFile, hostname: string): BaseProvider {
  if (base.profile !== undefined) return { kind: "profile", profile: base.profile };
  if (base.process !== undefined) return { kind: "process", command: base.process };
  if (base.webIdentity !== undefined) {
    return {
      kind: "webIdentity",
      ...base.webIdentity,
      sessionName: sessionNameOf(BASE_SESSION_NAME, { hostname }),
      durationSeconds: CHAINED_SECONDS,
    };
  }
  if (base.environment === true) return { kind: "environment" };
  return base.container === true ? { kind: "container" } : { kind: "instance" };
}

/** A token in a file is made by the daemon; one in a variable by whoever starts it and the clients. */
function buildToken(
  name: string,
  { authorizationToken: token }: RoleFile,
  environment: Environment,
): AuthorizationToken | undefined {
  if (token?.file !== undefined) return { kind: "file", path: token.file };
  if (token?.environment === undefined) return undefined;
  const value = environment[token.environment] ?? "";
  if (AUTHORIZATION_TOKEN.test(value)) return { kind: "value", value };
  const path = `roles.${name}.authorizationToken.environment`;
  const message = `names the variable ${token.environment}, which must hold 16 or more printable characters`;
  refuse("environment", [{ path, message }]);
  return undefined;
}

const AUTHORIZATION_TOKEN = /^[\x21-\x7e]{16,4096}$/;

function buildListener(listener: NonNullable<ConfigFile["listeners"]>[number]): Listener {
  const { role, roles, allowUsers = [] } = listener;
  const address = addressOf(listener);
  const hosts = (listener.hosts ?? []).map((host) => host.toLowerCase());
  const common = { address, hosts, allowUsers };
  if (role !== undefined) return { ...common, kind: "role", role };
  return roles === undefined ? { ...common, kind: "pods" } : { ...common, kind: "roles", roles };
}

/** What is bound, and with whom it may be shared. */
function addressOf(bound: {
  readonly address: Address;
  readonly reusePort?: boolean | undefined;
}): Address {
  const { address, reusePort } = bound;
  return reusePort === undefined ? address : { ...address, reusePort };
}
