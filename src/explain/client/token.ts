/** @module The authorization token that a client of container credentials would send. */
import { readFile } from "node:fs/promises";

type Environment = Readonly<Record<string, string | undefined>>;

/** The token of container credentials as a client finds it. */
export interface FoundToken {
  /** Undefined where there is none that could be sent. */
  readonly token: string | undefined;
  /** The variable that it comes from. */
  readonly variable: string;
  /** Whether a newline is behind it. */
  readonly endsInNewline: boolean;
}

/** The file before the variable, as in most SDKs; what cannot be read is as good as none. */
export async function tokenIn(environment: Environment): Promise<FoundToken> {
  const inFile = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
  const file = environment[inFile];
  const text = file ? await readFile(file, "utf8").catch(() => "") : undefined;
  const variable = file ? inFile : "AWS_CONTAINER_AUTHORIZATION_TOKEN";
  const said = text ?? environment[variable] ?? "";
  const token = said.trim();
  const isSendable = /^[\x20-\x7e]+$/.test(token);
  return {
    token: isSendable ? token : undefined,
    variable,
    endsInNewline: /[\r\n]$/.test(said),
  };
}
