/** @module The question `crossrole check --client`: asked in the application's environment. */
import { homedir } from "node:os";
import { CrossroleError } from "../errors.ts";
import { clientLines } from "../explain/client/client-lines.ts";
import type { ClientReport } from "../explain/client/client-report.ts";
import { lookAsClient } from "../explain/client/look.ts";
import { SDKS, SDK_NAMES } from "../explain/client/sdks.ts";

/**
 * @param name of an SDK, or `all`
 * @throws {@link CrossroleError} `ERR_USAGE` for a name that is none.
 */
export async function checkClient(name: string): Promise<{
  readonly report: ClientReport;
  readonly lines: readonly string[];
  readonly ok: boolean;
}> {
  const sdks = name === "all" ? SDKS : SDKS.filter((sdk) => sdk.name === name);
  if (sdks.length === 0) {
    const message = `--client is ${JSON.stringify(name)}; say ${SDK_NAMES.join(", ")} or all`;
    throw new CrossroleError("ERR_USAGE", message);
  }
  const report = await lookAsClient({ environment: process.env, home: homedir(), sdks });
  return { report, lines: clientLines(report), ok: report.ok };
}
