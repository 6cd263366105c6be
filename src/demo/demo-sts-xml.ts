/** @module What the demo's STS answers, in the XML of the Query protocol. */
import { toSeconds } from "../credentials/document.ts";

const NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/";

/** An error of STS: HTTP status, name and message. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Session {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expirationMs: number;
  readonly arn: string;
}

/** @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
export function sessionXml(session: Session): string {
  const expiration = toSeconds(new Date(session.expirationMs));
  return resultXml(
    "AssumeRole",
    element("AssumedRoleUser", element("Arn", escaped(session.arn)) + userId("AssumedRoleId")) +
      element(
        "Credentials",
        element("AccessKeyId", session.accessKeyId) +
          element("SecretAccessKey", session.secretAccessKey) +
          element("SessionToken", session.sessionToken) +
          element("Expiration", expiration),
      ),
  );
}

/** @see https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html */
export function identityXml({ arn }: { readonly arn: string }): string {
  const account = arn.split(":")[4] ?? "";
  return resultXml(
    "GetCallerIdentity",
    element("Arn", escaped(arn)) + userId("UserId") + element("Account", account),
  );
}

export function errorXml({ code, message }: Refusal): string {
  const error =
    element("Type", "Sender") + element("Code", code) + element("Message", escaped(message));
  return `<ErrorResponse xmlns="${NAMESPACE}">${element("Error", error)}</ErrorResponse>`;
}

function resultXml(action: string, result: string): string {
  return `<${action}Response xmlns="${NAMESPACE}">${element(`${action}Result`, result)}</${action}Response>`;
}

function userId(name: string): string {
  return element(name, "AROADEMOEXAMPLE:demo");
}

function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
