/** @module What happens during the demo, as its picture, its outage and its summary are told of it. */

/** The demo's roles by the names that the picture uses. */
export const GATEWAY = {
  name: "gateway",
  arn: "arn:aws:iam::111111111111:role/gateway",
} as const;
export const READER = {
  name: "orders-reader",
  arn: "arn:aws:iam::222222222222:role/orders-reader",
} as const;

type What =
  /** The daemon listens, and prints what an application is to be given. */
  | { readonly type: "serving"; readonly endpoint: string }
  /** The daemon got credentials of a role. */
  | {
      readonly type: "obtained";
      readonly role: string;
      readonly accessKeyId: string;
      readonly expirationMs: number;
      readonly renewal: boolean;
    }
  /** The daemon did not get them, and serves what it holds. */
  | {
      readonly type: "renewalFailed";
      readonly role: string;
      readonly remainingSeconds: number;
      readonly retryInSeconds: number;
    }
  /** A line of the daemon that should be seen, and that the demo does not expect. */
  | { readonly type: "said"; readonly text: string }
  /** The application made a request, and was answered. */
  | { readonly type: "requested"; readonly account: string; readonly accessKeyId: string }
  | { readonly type: "requestFailed"; readonly error: string }
  /** STS got a call to AssumeRole; while it is down it answers none. */
  | { readonly type: "stsAsked"; readonly answered: boolean }
  | { readonly type: "stsDown" }
  | { readonly type: "stsBack" }
  /** The service refused credentials that the application presented. */
  | { readonly type: "refused"; readonly accessKeyId: string; readonly code: string };

/** `atMs` is the wall clock's, in milliseconds since the epoch. */
export type DemoEvent = What & { readonly atMs: number };
