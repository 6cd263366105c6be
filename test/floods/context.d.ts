import "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** How many requests a flood has; fewer where nobody said. */
    readonly floodRequests?: number;
  }
}
