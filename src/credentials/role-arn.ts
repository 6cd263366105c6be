/** @module The ARN of a role, and the partition it lives in. */

interface Partition {
  readonly name: string;
  /** Which regions belong to it. */
  readonly regions: RegExp;
  /** Whose STS is asked when nobody said a region. */
  readonly defaultRegion: string;
  readonly dnsSuffix: string;
}

/**
 * The partitions of AWS, the general one last.
 *
 * @see https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
 */
const PARTITIONS: readonly Partition[] = [
  partition("aws-cn", /^cn-/, "cn-north-1", "amazonaws.com.cn"),
  partition("aws-us-gov", /^us-gov-/, "us-gov-west-1", "amazonaws.com"),
  partition("aws-iso", /^us-iso-/, "us-iso-east-1", "c2s.ic.gov"),
  partition("aws-iso-b", /^us-isob-/, "us-isob-east-1", "sc2s.sgov.gov"),
  partition("aws-iso-e", /^eu-isoe-/, "eu-isoe-west-1", "cloud.adc-e.uk"),
  partition("aws-iso-f", /^us-isof-/, "us-isof-south-1", "csp.hci.ic.gov"),
  partition("aws-eusc", /^eusc-/, "eusc-de-east-1", "amazonaws.eu"),
  partition("aws", /^[a-z]{2,}-/, "us-east-1", "amazonaws.com"),
];

function partition(
  name: string,
  regions: RegExp,
  defaultRegion: string,
  dnsSuffix: string,
): Partition {
  return { name, regions, defaultRegion, dnsSuffix };
}

export interface RoleArn {
  readonly partition: Partition;
  /** Twelve digits. */
  readonly accountId: string;
  /** The role's name, without its path. */
  readonly roleName: string;
}

const ROLE_ARN = /^arn:([a-z0-9-]+):iam::([^:]*):role\/([\x21-\x7e]*)$/;
const ACCOUNT_ID = /^\d{12}$/;
const MAX_PATH = 512;
const ROLE_NAME = /^[\w+=,.@-]{1,64}$/;

/**
 * Reads the ARN of an IAM role.
 *
 * @returns the rule that `text` breaks, as text, when it is no such ARN.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
 */
export function parseRoleArn(text: string): RoleArn | string {
  const [, partitionName, accountId, resource] = ROLE_ARN.exec(text) ?? [];
  if (partitionName === undefined || accountId === undefined || resource === undefined) {
    return "must look like arn:aws:iam::123456789012:role/NAME";
  }
  const found = PARTITIONS.find(({ name }) => name === partitionName);
  if (found === undefined) {
    return `names no partition of AWS (${PARTITIONS.map(({ name }) => name).join(", ")})`;
  }
  if (!ACCOUNT_ID.test(accountId)) return "must have an account id of 12 digits";
  const roleName = resource.slice(resource.lastIndexOf("/") + 1);
  if (!ROLE_NAME.test(roleName)) {
    return "must end in a role name of 1 to 64 letters, digits or +=,.@_-";
  }
  // The path of IAM has the slash before it too.
  if (resource.length - roleName.length + 1 > MAX_PATH) {
    return `must have a path of at most ${MAX_PATH} characters`;
  }
  return { partition: found, accountId, roleName };
}

/** {@link parseRoleArn} of an ARN that the configuration has checked. @throws TypeError otherwise. */
export function checkedRoleArn(text: string): RoleArn {
  const arn = parseRoleArn(text);
  if (typeof arn === "string") throw new TypeError(`${text} ${arn}`);
  return arn;
}

/** The partition that `region` belongs to, or undefined when it does not look like a region. */
export function partitionOfRegion(region: string): Partition | undefined {
  return PARTITIONS.find(({ regions }) => regions.test(region));
}
