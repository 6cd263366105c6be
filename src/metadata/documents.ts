/** @module The documents of the metadata tree, as EC2 words them. */
import { createHash } from "node:crypto";
import { documentOf, toSeconds } from "../credentials/document.ts";
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { RoleSession, TemporaryCredentials } from "../credentials/types.ts";

const bodies = new WeakMap<TemporaryCredentials, string>();

/**
 * The security-credentials document: the seven fields of EC2 in EC2's order and not one more (s3fs
 * counts them), the same bytes until the credentials change.
 *
 * @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
export function securityCredentials(credentials: TemporaryCredentials): string {
  const known = bodies.get(credentials);
  if (known !== undefined) return known;
  // Text and no Buffer: Node writes it together with the headers, in one call to the kernel.
  const body = JSON.stringify(documentOf(credentials));
  bodies.set(credentials, body);
  return body;
}

interface MetadataFacts {
  readonly session: RoleSession;
  /** What clients are told: the region of the workload. */
  readonly region: string;
  readonly hostname: string;
  readonly now: Date;
}

type Document = (facts: MetadataFacts) => string;

/**
 * Everything below `/latest` that is made of the configuration, by path: the leaves here, the
 * directories above them from {@link listing}.
 */
const LEAVES: ReadonlyMap<string, Document> = new Map<string, Document>([
  ["/latest/meta-data/iam/info", (facts) => instanceProfile(facts)],
  ["/latest/meta-data/instance-id", ({ hostname }) => instanceId(hostname)],
  ["/latest/meta-data/placement/availability-zone", ({ region }) => zoneOf(region)],
  ["/latest/meta-data/placement/region", ({ region }) => region],
  ["/latest/meta-data/services/domain", ({ session }) => partitionOf(session).dnsSuffix],
  ["/latest/meta-data/services/partition", ({ session }) => partitionOf(session).name],
  ["/latest/dynamic/instance-identity/document", (facts) => identityDocument(facts)],
]);

/** The directory whose entries are the caller's roles; its own route answers below it. */
export const SECURITY_CREDENTIALS = "/latest/meta-data/iam/security-credentials";

/** Every path that is made of the configuration, with what it holds. */
export const DOCUMENTS: ReadonlyMap<string, Document> = new Map<string, Document>([
  ...listings([...LEAVES.keys(), `${SECURITY_CREDENTIALS}/`]),
  ...LEAVES,
]);

/** The directories above `paths`: a name a line, with a slash behind what is itself a directory. */
function listings(paths: readonly string[]): [string, Document][] {
  const children = new Map<string, Set<string>>();
  for (const path of paths) {
    const names = path.split("/").slice(1);
    for (const [depth, name] of names.entries()) {
      if (name === "") continue;
      const parent = `/${names.slice(0, depth).join("/")}`;
      const entry = depth < names.length - 1 ? `${name}/` : name;
      children.set(parent, (children.get(parent) ?? new Set()).add(entry));
    }
  }
  return [...children].map(([parent, entries]) => {
    // EC2 lists its top levels without slashes: they are versions and categories, not directories.
    const isTop = parent === "/" || parent === "/latest";
    const lines = [...entries].map((entry) => (isTop ? entry.replace("/", "") : entry));
    return [parent, () => lines.toSorted().join("\n")];
  });
}

function instanceProfile({ session, now }: MetadataFacts): string {
  const { accountId, roleName, partition } = checkedRoleArn(session.roleArn);
  return JSON.stringify({
    Code: "Success",
    LastUpdated: toSeconds(now),
    InstanceProfileArn: `arn:${partition.name}:iam::${accountId}:instance-profile/${roleName}`,
    InstanceProfileId: `AIPA${digest(session.roleArn).slice(0, 17).toUpperCase()}`,
  });
}

/** Without a signature: crossrole is no EC2 instance and does not claim to be one. */
function identityDocument({ session, region, hostname, now }: MetadataFacts): string {
  return JSON.stringify({
    accountId: checkedRoleArn(session.roleArn).accountId,
    architecture: "x86_64",
    availabilityZone: zoneOf(region),
    billingProducts: null,
    devpayProductCodes: null,
    marketplaceProductCodes: null,
    imageId: "ami-00000000000000000",
    instanceId: instanceId(hostname),
    instanceType: "m5.large",
    kernelId: null,
    pendingTime: toSeconds(now),
    privateIp: "127.0.0.1",
    ramdiskId: null,
    region,
    version: "2017-09-30",
  });
}

/** Clients cut the last letter off to get the region. */
function zoneOf(region: string): string {
  return `${region}a`;
}

/** Stable for a host, and of EC2's form. */
function instanceId(hostname: string): string {
  return `i-${digest(hostname).slice(0, 17)}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function partitionOf(session: RoleSession) {
  return checkedRoleArn(session.roleArn).partition;
}
