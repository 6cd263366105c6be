/** @module The variables that the JVM takes options from, without the properties that win over crossrole. */

const VARIABLES: ReadonlySet<string> = new Set([
  "JAVA_TOOL_OPTIONS",
  "JDK_JAVA_OPTIONS",
  "_JAVA_OPTIONS",
]);

/** The properties behind the variables that a child does not get: both SDKs for Java take them first. */
const PROPERTIES: ReadonlySet<string> = new Set([
  "aws.accessKeyId",
  "aws.secretKey",
  "aws.secretAccessKey",
  "aws.sessionToken",
  "aws.profile",
  "aws.configFile",
  "aws.sharedCredentialsFile",
  "aws.roleArn",
  "aws.roleSessionName",
  "aws.webIdentityTokenFile",
  "aws.containerCredentialsPath",
  "aws.containerCredentialsFullUri",
  "aws.containerAuthorizationToken",
  "aws.containerAuthorizationTokenFile",
  "aws.disableEc2Metadata",
  "aws.ec2MetadataServiceEndpoint",
  "aws.ec2MetadataServiceEndpointMode",
]);

/** One option, with the space behind it. Quotes of either kind keep spaces together; nothing escapes a quote. */
const OPTION = /((?:[^\s"']|"[^"]*"|'[^']*'|["'])+)\s*/g;

/** `value` as the child gets it in the variable `name`; undefined when nothing is left of it. */
export function withoutAwsProperties(name: string, value: string): string | undefined {
  if (!VARIABLES.has(name)) return value;
  const rest = value.replaceAll(OPTION, (all, option: string) => (isRemoved(option) ? "" : all));
  if (rest === value) return value;
  return rest.trim() || undefined;
}

function isRemoved(option: string): boolean {
  const property = /^-D([^=]+)/.exec(option.replaceAll(/["']/g, ""))?.[1];
  return property !== undefined && PROPERTIES.has(property);
}
