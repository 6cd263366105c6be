/** @module The files of a service account: a token that the kubelet replaces every hour, and the cluster's CA. */
import { readFile } from "node:fs/promises";
import { CrossroleError, messageOf } from "../errors.ts";

/** How long what was read is used: 60 seconds. The kubelet writes a new token at 80 % of its life. */
const KEPT_MS = 60_000;

/** What a bearer token consists of (RFC 6750, section 2.1). */
const TOKEN = /^[\w.~+/-]+=*$/;

/** What was read last. Never spread, logged or thrown: it holds the token. */
interface Read {
  readonly token: string;
  readonly ca: string | undefined;
}

export interface ApiFilesOptions {
  readonly tokenFile: string;
  /** Undefined where there is no TLS. */
  readonly caFile: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export class ApiFiles {
  readonly #options: ApiFilesOptions;
  #read: Read | undefined;
  #readAtMs = 0;
  #reading: Promise<Read> | undefined;

  constructor(options: ApiFilesOptions) {
    this.#options = options;
  }

  /**
   * What the files say, as of a minute ago at most. When they cannot be read any more, what they
   * said last: the API server has the word on whether it is still good.
   *
   * @throws {@link CrossroleError} `ERR_KUBERNETES_UNAVAILABLE` when they never could be read.
   */
  async current(): Promise<Read> {
    const ageMs = this.#options.now() - this.#readAtMs;
    if (this.#read !== undefined && ageMs >= 0 && ageMs < KEPT_MS) return this.#read;
    return await this.#again();
  }

  /** Reads them now; true when they say something else than `known`. */
  async haveChanged(known: Read): Promise<boolean> {
    const { token, ca } = await this.#again();
    return token !== known.token || ca !== known.ca;
  }

  #again(): Promise<Read> {
    this.#reading ??= this.#load().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #load(): Promise<Read> {
    const { tokenFile, caFile, now } = this.#options;
    try {
      const [token, ca] = await Promise.all([
        readToken(tokenFile),
        caFile === undefined ? undefined : readCa(caFile),
      ]);
      this.#read = { token, ca };
    } catch (error) {
      if (this.#read === undefined) throw error;
    }
    this.#readAtMs = now();
    return this.#read;
  }
}

/**
 * The token in a file.
 *
 * @throws {@link CrossroleError} `ERR_KUBERNETES_UNAVAILABLE` that names the file and never quotes it.
 */
export async function readToken(path: string): Promise<string> {
  const token = (await readText(path, "the token for the API server")).trim();
  if (TOKEN.test(token)) return token;
  throw unreadable(path, "the token for the API server", "it holds no token");
}

/** Node takes an empty text for none, and would trust whom the public trusts. */
async function readCa(path: string): Promise<string> {
  const what = "the API server's CA";
  const ca = await readText(path, what);
  if (ca.includes("-----BEGIN CERTIFICATE-----")) return ca;
  throw unreadable(path, what, "it holds no certificate in PEM");
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
    throw unreadable(path, what, why);
  }
}

function unreadable(path: string, what: string, why: string): CrossroleError {
  const message = `cannot read ${what} from ${path}: ${why}; mount the pod's service account, or set kubernetes.apiServer`;
  return new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message);
}
