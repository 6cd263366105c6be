/** @module What an agent in a network namespace can be told, and what it answers. */

export type AgentTask =
  | {
      readonly kind: "ask";
      readonly url: string;
      readonly method?: string | undefined;
      readonly headers?: Readonly<Record<string, string>> | undefined;
      /** Requests of one name share one connection; without a name each has its own. */
      readonly connection?: string | undefined;
      /** The source address. */
      readonly from?: string | undefined;
    }
  | {
      readonly kind: "listen";
      readonly name: string;
      readonly addresses: readonly string[];
      readonly port: number;
    }
  | { readonly kind: "close" }
  /** Passes connections to 127.0.0.1:port on to a socket in the file system. */
  | { readonly kind: "relay"; readonly port: number; readonly socket: string };

/** An answer, or why there is none: `ECONNREFUSED`, `ECONNRESET`, `ETIMEDOUT` (after 5 s), … */
export type Reply =
  | { readonly status: number; readonly body: string }
  | { readonly error: string; readonly elapsedMs: number };
