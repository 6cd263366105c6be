/** @module The load generator's own process: it is told what to do and tells what came of it. */
import { openConnections } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { exchanges } from "./exchanges.ts";
import type { ExchangeLoad } from "./exchanges.ts";
import { allAtOnce, closedLoop, openLoop } from "./loads.ts";
import type { ClosedLoad, PacedLoad } from "./loads.ts";

/** Connections that have been opened, by a name that the measures choose. */
interface Group {
  readonly group: string;
}

export interface Tasks {
  /**
   * Opens the connections that the other tasks use, in turn to each of `ports`, and asks once on
   * each: a server ends a connection on which nothing comes, but keeps an idle one.
   */
  open: (
    input: Group & {
      readonly ports: readonly number[];
      readonly connections: number;
      readonly request: string;
    },
  ) => Promise<void>;
  closedLoop: (input: Group & ClosedLoad) => ReturnType<typeof closedLoop>;
  openLoop: (input: Group & PacedLoad) => ReturnType<typeof openLoop>;
  allAtOnce: (
    input: Group & { readonly requests: readonly string[] },
  ) => ReturnType<typeof allAtOnce>;
  /** On connections of its own. */
  exchanges: (input: ExchangeLoad) => ReturnType<typeof exchanges>;
}

export type Task = {
  [Name in keyof Tasks]: { readonly name: Name; readonly input: Parameters<Tasks[Name]>[0] };
}[keyof Tasks];

const groups = new Map<string, readonly Connection[]>();

process.on("message", (task: Task) => {
  perform(task).then(
    (output) => process.send?.({ output }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});

async function perform({ name, input }: Task): Promise<unknown> {
  switch (name) {
    case "open":
      for (const connection of opened(input)) connection.close();
      groups.set(input.group, await openConnections(input));
      return undefined;
    case "closedLoop":
      return await closedLoop(opened(input), input);
    case "openLoop":
      return await openLoop(opened(input), input);
    case "allAtOnce":
      return await allAtOnce(opened(input), input.requests);
    case "exchanges":
      return await exchanges(input);
  }
}

function opened({ group }: Group): readonly Connection[] {
  return groups.get(group) ?? [];
}
