/** @module The policies that both accounts of every assumption need, made of the configuration alone. */
import type { Config } from "../config/types.ts";
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { BaseCredentials, RoleSession } from "../credentials/types.ts";
import { chainsOf, stepsOf } from "./chains.ts";
import type { Chain } from "./chains.ts";
import { principalOf } from "./principal.ts";
import type { Principal } from "./principal.ts";
import { PolicyDocuments } from "./policy-documents.ts";
import type { PolicyDocument } from "./policy-documents.ts";
import { actionsOf, federatedStatement, trustStatement } from "./statements.ts";
import type { Asked, FederatedTokens } from "./statements.ts";

export interface PolicyOptions {
  /** The roles that are asked for. Default: all. */
  readonly roles?: ReadonlySet<string> | undefined;
  /** The ARN of who signs for a base, by its name, where somebody said it. */
  readonly principalOfBase: (base: BaseCredentials) => string | undefined;
  /** What the tokens of pods and of web-identity bases say; undefined where nobody knows. */
  readonly tokens: Partial<Omit<FederatedTokens, "subjects">>;
  /** What the token of a web-identity base says of itself. */
  readonly tokensOfBase: (base: BaseCredentials) => Partial<FederatedTokens>;
  /** Whether trust policies ask for the names of sessions too. */
  readonly sessionNames: boolean;
}

/** The `sub` of a token that nobody has seen. */
const ANY_SUBJECT = "system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT";

/** For whom a token is, unless the configuration says otherwise. */
const AUDIENCE = "sts.amazonaws.com";

const ISSUER = "OIDC_ISSUER";

/** What stands for the parts of a session's name that only its caller has. */
const NAMES = { hostname: "HOSTNAME" } as const;
const UNKNOWN_NAMES = /HOSTNAME|NAMESPACE|SERVICE_ACCOUNT|POD|NODE/g;

/** The longest name of a session: one that is cut ends in a hash, and fits no pattern. */
const MAX_NAME_LENGTH = 64;

/** Every policy that the roles of `config` need, in the order of their chains; one for each role and identity. */
export function policiesOf(config: Config, options: PolicyOptions): PolicyDocument[] {
  const documents = new PolicyDocuments();
  for (const chain of chainsOf(config, NAMES)) {
    if (options.roles?.has(chain.role.name) === false) continue;
    if (chain.subjects === undefined) addBase(documents, chain.role.base, options);
    for (const step of stepsOf(chain.session)) addStep(documents, step, chain, config, options);
  }
  return documents.list();
}

/** A web-identity base is a role too: whose tokens it trusts. */
function addBase(documents: PolicyDocuments, base: BaseCredentials, options: PolicyOptions): void {
  if (base.provider.kind !== "webIdentity") return;
  const { roleArn, durationSeconds } = base.provider;
  const tokens = { ...options.tokensOfBase(base), ...options.tokens };
  addTokenTrust(documents, roleArn, durationSeconds, tokens);
}

function addTokenTrust(
  documents: PolicyDocuments,
  roleArn: string,
  seconds: number,
  tokens: { readonly [Name in keyof FederatedTokens]?: FederatedTokens[Name] | undefined },
): void {
  const { issuer = ISSUER, audience = AUDIENCE, subjects = [ANY_SUBJECT] } = tokens;
  const statement = federatedStatement(roleArn, { issuer, audience, subjects });
  const { accountId } = checkedRoleArn(roleArn);
  documents.trust(roleArn, statement, seconds, [
    `account ${accountId} needs an IAM OIDC provider for https://${issuer} with the client id ${audience}`,
    ...(issuer === ISSUER ? [UNKNOWN_ISSUER] : []),
    ...(subjects.includes(ANY_SUBJECT) ? [UNKNOWN_SUBJECT] : []),
  ]);
}

function addStep(
  documents: PolicyDocuments,
  step: RoleSession,
  { role, subjects }: Chain,
  config: Config,
  options: PolicyOptions,
): void {
  const { roleArn, source, durationSeconds } = step;
  if (source.kind === "pod") {
    const { audience = AUDIENCE } = config.kubernetes ?? {};
    addTokenTrust(documents, roleArn, durationSeconds, { audience, ...options.tokens, subjects });
    return;
  }
  const isTagged = subjects === undefined && role.base.provider.kind === "container";
  const asked = askedBy(step, isTagged, options);
  const signer = signerOf(source, options);
  const notes = [...signer.notes, ...(isTagged ? [TAGGED] : [])];
  const belongs = BELONGS[principalOf(signer.arn)?.kind ?? "role"];
  documents.permission(signer.arn, roleArn, asked.actions, [...notes, ...belongs]);
  documents.trust(roleArn, trustStatement(signer.arn, asked), durationSeconds, notes);
}

const UNKNOWN_ISSUER = `put the issuer of the cluster, without https://, in the place of ${ISSUER}, or say --issuer URL`;

const UNKNOWN_SUBJECT = `put the service accounts that may have the role in the place of ${ANY_SUBJECT}`;

const TAGGED =
  "sts:TagSession is for EKS Pod Identity, whose session tags go on to every role behind it; on ECS leave it out";

function askedBy(step: RoleSession, isTagged: boolean, options: PolicyOptions): Asked {
  const actions = new Set(actionsOf(step));
  if (isTagged) actions.add("sts:TagSession");
  const { externalId, sessionName } = step;
  const isCut = sessionName.length >= MAX_NAME_LENGTH;
  const pattern = sessionName.replaceAll(UNKNOWN_NAMES, "*");
  return {
    actions: [...actions],
    externalId,
    sessionName: options.sessionNames && !isCut ? pattern : undefined,
  };
}

function signerOf(
  source: BaseCredentials | RoleSession,
  options: PolicyOptions,
): { readonly arn: string; readonly notes: readonly string[] } {
  if (source.kind === "role") return { arn: source.roleArn, notes: [] };
  if (source.provider.kind === "webIdentity") return { arn: source.provider.roleArn, notes: [] };
  const said = principalOf(options.principalOfBase(source) ?? "");
  if (said !== undefined) return { arn: said.arn, notes: [] };
  const arn = `ARN_OF_BASE_${wordOf(source)}`;
  const note =
    `put the ARN of the role or user that base "${source.name}" (${source.provider.kind}) is in the place ` +
    `of ${arn}, or say --principal ${source.name}=ARN; "crossrole check" tells it`;
  return { arn, notes: [note] };
}

/** Where a permission policy of a principal goes that is neither a role nor a user of one's own. */
const BELONGS: Readonly<Record<Principal["kind"], readonly string[]>> = {
  root: ["it belongs to each role or user of that account that signs"],
  user: [],
  role: [],
  sso: ["it belongs to the permission set in IAM Identity Center"],
  federated: ["it belongs to the user whose federation token this is"],
};

function wordOf({ name }: BaseCredentials): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}
