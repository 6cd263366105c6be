/** @module The load generator's own process: it is told what to do and tells what came of it. */
import { openConnections } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { allAtOnce, closedLoop, openLoop } from "./loads.ts";
import type { Load, PacedLoad } from "./loads.ts";

/** Connections that have been opened, by a name that the rows choose. */
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
  closedLoop: (input: Group & Load) => ReturnType<typeof closedLoop>;
  openLoop: (input: Group & PacedLoad) => ReturnType<typeof openLoop>;
  allAtOnce: (
    input: Group & { readonly requests: readonly string[] },
  ) => ReturnType<typeof allAtOnce>;
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
  const connections = groups.get(input.group) ?? [];
  switch (name) {
    case "open":
      for (const connection of connections) connection.close();
      groups.set(input.group, await openConnections(input));
      return undefined;
    case "closedLoop":
      return await closedLoop(connections, input);
    case "openLoop":
      return await openLoop(connections, input);
    case "allAtOnce":
      return await allAtOnce(connections, input.requests);
  }
}
