/** @module What STS answers, as its XML: results, errors, and what a broken way to it may turn them into. */

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error of STS: HTTP status, name and message. */
export class StsRefusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** One set of temporary credentials, as STS writes it. */
export interface IssuedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
  /** `arn:aws:sts::222222222222:assumed-role/NAME/SESSION`. */
  readonly arn: string;
  /** The role that was assumed. */
  readonly roleArn: string;
}

const NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/";
const REQUEST_ID = "c6104cbe-af31-11e0-8154-cbc7ccf896c7";

export function resultAnswer(action: string, result: string): Answer {
  const body =
    `<${action}Response xmlns="${NAMESPACE}">\n  <${action}Result>\n${result}` +
    `  </${action}Result>\n  <ResponseMetadata>\n    <RequestId>${REQUEST_ID}</RequestId>\n` +
    `  </ResponseMetadata>\n</${action}Response>\n`;
  return { status: 200, body };
}

export function errorAnswer({ status, code, message }: StsRefusal): Answer {
  const type = status >= 500 ? "Receiver" : "Sender";
  const body =
    `<ErrorResponse xmlns="${NAMESPACE}">\n  <Error>\n    <Type>${type}</Type>\n` +
    `    <Code>${code}</Code>\n    <Message>${escape(message)}</Message>\n  </Error>\n` +
    `  <RequestId>${REQUEST_ID}</RequestId>\n</ErrorResponse>\n`;
  return { status, body };
}

/** The result of AssumeRole and AssumeRoleWithWebIdentity; `without` names elements left empty. */
export function credentialsXml(
  issued: IssuedCredentials,
  without: readonly CredentialField[] = [],
): string {
  const text = (name: CredentialField, value: string) =>
    `      <${name}>${without.includes(name) ? "" : value}</${name}>\n`;
  return (
    userXml(issued) +
    `    <Credentials>\n${text("AccessKeyId", issued.accessKeyId)}` +
    text("SecretAccessKey", issued.secretAccessKey) +
    text("SessionToken", issued.sessionToken) +
    text("Expiration", `${issued.expiration.toISOString().slice(0, 19)}Z`) +
    "    </Credentials>\n"
  );
}

export function userXml(issued: IssuedCredentials): string {
  const id = `AROAEXAMPLE:${issued.arn.slice(issued.arn.lastIndexOf("/") + 1)}`;
  return `    <AssumedRoleUser>\n      <Arn>${issued.arn}</Arn>\n      <AssumedRoleId>${id}</AssumedRoleId>\n    </AssumedRoleUser>\n`;
}

export type CredentialField = "AccessKeyId" | "SecretAccessKey" | "SessionToken" | "Expiration";

export const CREDENTIAL_FIELDS: readonly CredentialField[] = [
  "AccessKeyId",
  "SecretAccessKey",
  "SessionToken",
  "Expiration",
];

/** A page as captive portals and broken proxies answer it, with status 200. */
export const HTML_PAGE: Answer = {
  status: 200,
  contentType: "text/html",
  body: "<!doctype html><html><head><title>Sign in</title></head><body><br>Welcome & sign in</body></html>",
};

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
