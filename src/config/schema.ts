/** @module The shape of the configuration file. Every object is strict: an unknown key is an error. */
import * as z from "zod";
import * as rules from "./rules.ts";
import { hopOrArn } from "./hop.ts";
import { association, kubernetes } from "./kubernetes-schema.ts";

const webIdentity = z.strictObject({
  tokenFile: rules.text().min(1, "must be a file"),
  roleArn: rules.roleArn,
});

const isTrue = z.literal(true, "must be true, or be left out");

const base = z
  .strictObject({
    profile: rules.text().min(1, "must be the name of a profile").optional(),
    webIdentity: webIdentity.optional(),
    environment: isTrue.optional(),
    container: isTrue.optional(),
    instance: isTrue.optional(),
    process: rules.text().min(1, "must be a command").optional(),
  })
  .refine(
    (value) => Object.values(value).filter((part) => part !== undefined).length === 1,
    "must have exactly one of profile, webIdentity, environment, container, instance, process",
  );

const authorizationToken = z
  .strictObject({
    file: rules.text().min(1, "must be a file").optional(),
    environment: rules.text().regex(/^\w+$/, "must be the name of a variable").optional(),
  })
  .refine(
    ({ file, environment }) => (file === undefined) !== (environment === undefined),
    "must have exactly one of file, environment",
  );

const role = z.strictObject({
  arn: rules.roleArn,
  base: rules.text().optional(),
  via: z.array(hopOrArn).optional(),
  externalId: rules.externalId.optional(),
  sessionName: rules.sessionName.optional(),
  durationSeconds: rules.durationSeconds.optional(),
  sessionTags: rules.sessionTags.optional(),
  transitiveTagKeys: z.array(rules.text()).optional(),
  sourceIdentity: rules.sourceIdentity.optional(),
  policyArns: rules.policyArns.optional(),
  policy: rules.policy.optional(),
  imdsV1: z.boolean("must be true or false").optional(),
  authorizationToken: authorizationToken.optional(),
});

const roleName = rules
  .text()
  .regex(rules.ROLE_NAME, "must be named by 2 to 64 letters, digits or ._-");

const user = z.union([rules.text(), z.int()], "must be the name or the uid of a user");

const listener = z
  .strictObject({
    address: rules.address,
    role: rules.text().optional(),
    roles: z.array(rules.text()).min(1, "must name a role").optional(),
    pods: isTrue.optional(),
    allowUsers: z
      .union([z.literal("any"), z.array(user)], 'must be "any" or a list of users')
      .optional(),
    hosts: z
      .array(rules.text().regex(/^[\w.-]+$/, "must be a host name without a port"))
      .optional(),
    reusePort: z.boolean("must be true or false").optional(),
  })
  .refine(
    ({ role: one, roles, pods }) =>
      [one, roles, pods].filter((part) => part !== undefined).length === 1,
    "must have exactly one of role, roles, pods",
  )
  .refine(
    ({ pods, allowUsers }) => pods === undefined || allowUsers === undefined,
    "must have no allowUsers: pods are told from each other by who they are, not by users",
  );

const sts = z.strictObject({
  endpoint: rules.httpUrl.optional(),
  callsPerSecond: z.number("must be a number").positive("must be more than 0").optional(),
  burst: z.int("must be a whole number").min(1, "must be at least 1").optional(),
});

export const configSchema = z.strictObject({
  region: rules.region.optional(),
  sts: sts.optional(),
  bases: z.record(roleName, base).optional(),
  roles: z.record(roleName, role),
  listeners: z.array(listener).optional(),
  associations: z.array(association).optional(),
  kubernetes: kubernetes.optional(),
  operations: z
    .strictObject({
      address: rules.address,
      reusePort: z.boolean("must be true or false").optional(),
    })
    .optional(),
  state: z.strictObject({ directory: rules.text().min(1, "must be a directory") }).optional(),
});

export type ConfigFile = z.infer<typeof configSchema>;

/**
 * The JSON Schema (draft 2020-12) of the configuration file, for editors and for CI.
 *
 * @see https://json-schema.org/draft/2020-12
 */
export function jsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, {
    io: "input",
    override: ({ zodSchema, jsonSchema: out }) => {
      if (zodSchema !== hopOrArn) return;
      // A hop is written as its ARN alone, or as an object.
      const object = { ...out };
      for (const key of Object.keys(out)) Reflect.deleteProperty(out, key);
      out.anyOf = [{ type: "string" }, object];
    },
  });
}
