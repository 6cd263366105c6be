/** @module The shape of what the file says of pods: associations, and the section `kubernetes`. */
import * as z from "zod";
import { hopOrArn } from "./hop.ts";
import * as rules from "./rules.ts";

/** Kubernetes' names, with `*` for any characters and `?` for one. */
const nameGlob = rules
  .text()
  .regex(/^[a-z0-9.*?-]{1,253}$/, "must be a Kubernetes name, or a pattern with * and ?");

export const association = z.strictObject({
  namespace: nameGlob,
  serviceAccount: nameGlob,
  role: rules.text(),
});

const roleGlobs = z
  .array(
    rules.text().regex(/^[\w+=,.@:/*?-]{1,2048}$/, "must be a name, an ARN, or a pattern of one"),
  )
  .min(1, 'must name what is allowed; ["*"] allows every role');

/** How a role is reached that an annotation names by its ARN alone. */
const reached = { base: rules.text().optional(), via: z.array(hopOrArn).optional() };

const patterned = z.strictObject({ roles: roleGlobs, ...reached });

const baseRoleArn = rules
  .text()
  .regex(
    /^arn:[\w-]+:iam::\d{12}:role\/(?:[\w+=,.@-]+\/)*$/,
    "must be what stands before a role's name, such as arn:aws:iam::111122223333:role/",
  )
  .optional();

const annotations = z
  .strictObject({
    crossrole: patterned.optional(),
    irsa: patterned.optional(),
    kube2iam: z.strictObject({ baseRoleArn, ...reached }).optional(),
    kiam: z
      .strictObject({
        baseRoleArn,
        unanchored: z.boolean("must be true or false").optional(),
        ...reached,
      })
      .optional(),
  })
  .refine(
    ({ kube2iam, kiam }) => kube2iam === undefined || kiam === undefined,
    "must have at most one of kube2iam, kiam: both read iam.amazonaws.com/role, and differ in who permits it",
  );

const apiServer = z.strictObject({
  url: rules.httpUrl,
  caFile: rules.text().min(1, "must be a file"),
  tokenFile: rules.text().min(1, "must be a file"),
});

export const kubernetes = z.strictObject({
  node: rules
    .text()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, "must be the name of a node")
    .optional(),
  access: z
    .enum(["auto", "impersonation", "rbac"], "must be auto, impersonation or rbac")
    .optional(),
  audience: rules.text().min(1, "must be an audience").optional(),
  apiServer: apiServer.optional(),
  events: z.boolean("must be true or false").optional(),
  annotations: annotations.optional(),
});
