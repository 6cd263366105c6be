import "vitest";

declare module "vitest" {
  /** What the configuration of a suite says; each has a smaller value for where nobody does. */
  interface ProvidedContext {
    /** How many requests a flood has. */
    readonly floodRequests?: number;
    /** How many cases a property is tried with. */
    readonly cases?: number;
    /** How many random histories the model of the cache is tried with. */
    readonly modelRuns?: number;
    /** How many things happen to the pods of the model node. */
    readonly podEvents?: number;
    /** How many roles are renewed for half a day. */
    readonly scaleRoles?: number;
  }
}
