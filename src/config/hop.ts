/** @module The shape of a role on the way to another: an ARN alone, or with the external id that it asks for. */
import * as z from "zod";
import * as rules from "./rules.ts";

const hop = z.strictObject({
  arn: rules.roleArn,
  externalId: rules.externalId.optional(),
});

export const hopOrArn = z.preprocess(
  (value) => (typeof value === "string" ? { arn: value } : value),
  hop,
);
