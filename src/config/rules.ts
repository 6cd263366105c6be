/** @module The rules of single values, each with the words that say it. */
import { isIP } from "node:net";
import * as z from "zod";
import { parseRoleArn } from "../credentials/role-arn.ts";
import type { Address } from "./types.ts";

/** @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html for all limits below */
const STS_NAME = /^[\w+=,.@-]{2,64}$/;

export const ROLE_NAME = /^[A-Za-z0-9._-]{2,64}$/;

/** The shortest session: renewed at half its life it would go below the 25 minutes that SDKs need. */
const MIN_DURATION_SECONDS = 1_800;
const MAX_DURATION_SECONDS = 43_200;

/** The names that a session name may be made of. */
const PLACEHOLDERS = ["hostname", "role", "namespace", "serviceAccount", "pod", "node"] as const;

/** Text, with a hint where YAML makes a number of what looks like one. */
export function text(): z.ZodString {
  return z.string({
    error: ({ input }) => {
      if (input === undefined) return "must be given";
      return typeof input === "number" || typeof input === "boolean"
        ? "must be text: put it in quotes"
        : "must be text";
    },
  });
}

export const roleArn = text().superRefine((value, context) => {
  const arn = parseRoleArn(value);
  if (typeof arn === "string") context.addIssue({ code: "custom", message: arn });
});

export const externalId = text()
  .regex(/^[\w+=,.@:/-]*$/, "must be of letters, digits and +=,.@:/_-")
  .min(2, "must have 2 to 1224 characters")
  .max(1224, "must have 2 to 1224 characters");

export const sourceIdentity = text().regex(
  /^(?!aws:)[\w+=,.@-]{2,64}$/,
  "must be 2 to 64 letters, digits or +=,.@_- and not begin with aws:",
);

export const durationSeconds = z
  .int("must be a whole number of seconds")
  .min(
    MIN_DURATION_SECONDS,
    "must be 1800 to 43200: an answer with less than 25 minutes of life makes SDKs rewrite its " +
      "expiry or ask again at every request, and a shorter session cannot keep that distance",
  )
  .max(MAX_DURATION_SECONDS, "must be 1800 to 43200: AWS ends every role session after 12 hours");

export const sessionName = text().superRefine((value, context) => {
  const fixed = value.replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
    PLACEHOLDERS.some((known) => known === name) ? "xx" : whole,
  );
  if (STS_NAME.test(fixed) || /^[\w+=,.@-]{2,}$/.test(fixed)) return;
  const names = PLACEHOLDERS.map((name) => `{${name}}`).join(" ");
  const message = `must be 2 or more letters, digits, +=,.@_- or one of ${names}`;
  context.addIssue({ code: "custom", message });
});

export const sessionTags = z
  .record(
    text()
      .min(1, "must have a key of 1 to 128 characters")
      .max(128, "must have a key of 1 to 128 characters")
      .regex(/^(?!aws:)/i, "must have a key that does not begin with aws:"),
    text().max(256, "must have at most 256 characters"),
  )
  .refine((tags) => Object.keys(tags).length <= 50, "must be at most 50 tags");

export const policyArns = z
  .array(text().regex(/^arn:[\w-]+:iam::(?:\d{12}|aws):policy\/.+$/, "must be the ARN of a policy"))
  .max(10, "must be at most 10 policies");

export const policy = z
  .looseObject({ Statement: z.unknown() })
  .refine(
    (value) => JSON.stringify(value).length <= 2_048,
    "must have at most 2048 characters as JSON",
  );

export const region = text().regex(
  /^[a-z]{2,}(?:-[a-z]+)+-\d+$/,
  "must be a region such as eu-west-1",
);

export const httpUrl = text().refine((value) => {
  const url = URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.search === "";
}, "must be a http or https URL without a user or a query");

/** `HOST:PORT`, with an IPv6 address in brackets. */
export const address = text().transform((value, context): Address => {
  const [, v6, other, portText] =
    /^(?:\[([^\]]+)\]|([^:[\]]+)):(0|[1-9]\d{0,4})$/.exec(value) ?? [];
  const host = v6 ?? other;
  const port = Number(portText);
  const isHost = v6 === undefined ? host === "localhost" || isIP(host ?? "") === 4 : isIP(v6) === 6;
  if (host !== undefined && isHost && port <= 65_535) return { host, port };
  const message = "must be IP:PORT such as 127.0.0.1:9911 or [::1]:9911, with a port up to 65535";
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});
