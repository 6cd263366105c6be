import { availableParallelism, loadavg } from "node:os";
import { describe, it } from "vitest";
import { CASES } from "./cases.ts";
import type { CaseName } from "./cases.ts";
import { CLIENTS } from "./clients.ts";
import type { Client, ClientWay } from "./clients.ts";
import { WAYS } from "./ways.ts";

const ALL = Object.keys(CASES) as CaseName[];

/** Every case by the client's first way, and by each further one what differs between ways. */
function casesOf({ ways }: Client, way: ClientWay): readonly CaseName[] {
  if (way === ways[0]) return ALL;
  // Its role is assumed before the command is started: cold is nothing that the command sees.
  if (way.by === "exec") return ["renewed"];
  // The other face has the same guard before it, which a client of it meets by itself.
  return way.by === "container" ? ["cold", "renewed", "wrongHost"] : ["cold", "renewed"];
}

/**
 * On a machine that others keep busy a client's own time-out of a second lapses, whoever answers: what
 * fails then is tried again. The clients themselves keep fewer than these waiting.
 */
const BUSY = 2.5 * availableParallelism();
const retry = { count: 2, condition: () => (loadavg()[0] ?? 0) > BUSY };

describe.concurrent.each(CLIENTS)("$name $version", (client) => {
  for (const way of client.ways) {
    for (const name of casesOf(client, way)) {
      const { sentence, title, run } = CASES[name];
      // oxlint-disable-next-line vitest/expect-expect -- the cases expect
      it(`${sentence}, by ${WAYS[way.by].title}`, { retry }, async ({ task }) => {
        task.meta.proved = {
          client: client.name,
          version: client.version,
          way: WAYS[way.by].title,
          what: title,
          sentence,
        };
        await run(client, way);
      });
    }
  }
});
