/**
 * @module Measure `fleet`: a fleet that is started at once, against the quota that STS gives an account in a region: how
 * long until everybody has credentials, and how much of the quota it takes from then on. A simulation
 * with the product's own decisions by time; nothing is asked over a network.
 */
import { leaseOf, retryDelayMs } from "../../src/credentials/renewal.ts";
import { SigningCredentials } from "../../src/credentials/types.ts";
import { EventQueue } from "./event-queue.ts";
import { below } from "./row.ts";
import type { Row } from "./row.ts";
import { spreadOf } from "./statistics.ts";

/** @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const QUOTA_PER_SECOND = 600;
const ROLES = 20;
/** The gateway that a node's roles share is one session more. */
const SESSIONS = ROLES + 1;
const STS_MS = 100;
const SESSION_MS = 3_600_000;
/** The daemon's own budget: its defaults. */
const NODE_PER_SECOND = 10;
const NODE_BURST = 20;
const SIMULATED_MS = 3 * 3_600_000;
const BAR_PERCENT = 10;
const RUNS = 3;

interface FleetResult {
  readonly readyMs: number;
  /** Calls that STS refused for being too many. */
  readonly throttled: number;
  /** Of the quota, in the last hour. */
  readonly share: number;
}

/** A token bucket in the time of a simulation, as the earliest time of the next call. */
class Bucket {
  readonly #intervalMs: number;
  readonly #burst: number;
  #theoreticalMs = 0;

  constructor(perSecond: number, burst: number) {
    this.#intervalMs = 1000 / perSecond;
    this.#burst = burst;
  }

  /** When the call may be made that is wanted at `nowMs`; it is counted. */
  take(nowMs: number): number {
    const atMs = Math.max(nowMs, this.#theoreticalMs - (this.#burst - 1) * this.#intervalMs);
    this.#theoreticalMs = Math.max(this.#theoreticalMs, atMs) + this.#intervalMs;
    return atMs;
  }

  /** Whether a call at `nowMs` is within the bounds; it is counted only then. */
  isFree(nowMs: number): boolean {
    const isFree = this.#theoreticalMs - (this.#burst - 1) * this.#intervalMs <= nowMs;
    if (isFree) this.#theoreticalMs = Math.max(this.#theoreticalMs, nowMs) + this.#intervalMs;
    return isFree;
  }
}

/** Runs `nodes` daemons for three hours. @param random uniform in [0, 1) */
function simulateFleet(nodes: number, random: () => number): FleetResult {
  const quota = new Bucket(QUOTA_PER_SECOND, QUOTA_PER_SECOND);
  const budgets = Array.from({ length: nodes }, () => new Bucket(NODE_PER_SECOND, NODE_BURST));
  const failures = new Uint16Array(nodes * SESSIONS);
  const isReady = new Uint8Array(nodes * SESSIONS);
  const queue = new EventQueue();
  const call = (index: number, atMs: number) => queue.push({ atMs, index, isGranted: false });
  for (let index = 0; index < nodes * SESSIONS; index++) call(index, 0);
  const result = { readyMs: 0, throttled: 0, inLastHour: 0 };
  for (let event = queue.pop(); event !== undefined; event = queue.pop()) {
    const { atMs, index } = event;
    if (atMs > SIMULATED_MS) break;
    if (!event.isGranted) {
      const grantedMs = budgets[Math.floor(index / SESSIONS)]?.take(atMs) ?? atMs;
      queue.push({ atMs: grantedMs, index, isGranted: true });
      continue;
    }
    if (atMs > SIMULATED_MS - 3_600_000) result.inLastHour++;
    if (quota.isFree(atMs)) {
      failures[index] = 0;
      if (isReady[index] === 0) result.readyMs = Math.max(result.readyMs, atMs + STS_MS);
      isReady[index] = 1;
      call(index, atMs + renewalAfterMs(random()));
    } else {
      result.throttled++;
      failures[index] = (failures[index] ?? 0) + 1;
      call(index, atMs + retryDelayMs("throttled", failures[index] ?? 1, random()));
    }
  }
  const share = result.inLastHour / 3_600 / QUOTA_PER_SECOND;
  return { readyMs: result.readyMs, throttled: result.throttled, share };
}

function renewalAfterMs(random: number): number {
  const credentials = new SigningCredentials({
    accessKeyId: "ASIAFLEETEXAMPLE0000",
    secretAccessKey: "",
    issuedAt: new Date(0),
    expiration: new Date(SESSION_MS),
  });
  return STS_MS + leaseOf(credentials, { wallMs: 0, monotonicMs: 0 }, random).renewAfterMs;
}

/** The rows for 1,000 to 5,000 nodes. The bar is for 1,000. */
export async function fleetRows(): Promise<readonly Row[]> {
  return [1_000, 2_000, 5_000].flatMap((nodes) => {
    const runs = Array.from({ length: RUNS }, () => simulateFleet(nodes, Math.random));
    const of = (pick: (run: FleetResult) => number) => spreadOf(runs.map(pick));
    return [
      {
        what: `${nodes} nodes x ${ROLES} roles started at once (simulated): all ready`,
        unit: "s",
        digits: 0,
        ours: of(({ readyMs }) => readyMs / 1000),
      },
      { what: "  calls that STS throttled", unit: "", digits: 0, ours: of((run) => run.throttled) },
      {
        what: "  share of STS's quota in the third hour",
        unit: "%",
        digits: 1,
        ours: of(({ share }) => share * 100),
        bar: nodes === 1_000 ? below(BAR_PERCENT) : undefined,
      },
    ];
  });
}
