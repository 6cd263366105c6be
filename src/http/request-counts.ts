/** @module How many requests each route has answered, by status. Counting is one addition to a number. */

/** Every route there is: what a caller writes in a request adds none. */
export type RouteName =
  | "token"
  | "role_list"
  | "credentials"
  | "document"
  | "container_credentials"
  | "pod_identity"
  | "healthz"
  | "readyz"
  | "metrics"
  | "status"
  | "events"
  | "other";

export interface RequestCount {
  readonly route: RouteName;
  readonly status: number;
  readonly count: number;
}

/** One more than the largest status. */
const STATUSES = 600;

export class RequestCounts {
  readonly #counts = new Map<RouteName, Float64Array>();

  /** What counts the answers of `route`, for all listeners that have it. */
  of(route: RouteName): (status: number) => void {
    const counts = this.#counts.get(route) ?? new Float64Array(STATUSES);
    this.#counts.set(route, counts);
    return (status) => {
      counts[status] = (counts[status] ?? 0) + 1;
    };
  }

  /** Every count that is not zero. */
  read(): RequestCount[] {
    return [...this.#counts].flatMap(([route, counts]) =>
      Array.from(counts, (count, status) => ({ route, status, count })).filter(
        ({ count }) => count > 0,
      ),
    );
  }
}
