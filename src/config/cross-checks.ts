/** @module The rules between values: names that must exist, and things that must agree. */
import * as z from "zod";
import { parseRoleArn, partitionOfRegion } from "../credentials/role-arn.ts";
import { checkName } from "./names.ts";
import { checkPods } from "./pod-checks.ts";
import type { Problem } from "./problems.ts";

/**
 * As much of the file as these rules look at, where whatever is not of the right kind is left out:
 * the schema has its own word on that, and both lists are shown at once.
 */
const textOrNothing = z.string().optional().catch(undefined);
const lenient = z.object({
  region: textOrNothing,
  bases: z.record(z.string(), z.unknown()).catch({}).default({}),
  roles: z
    .record(
      z.string(),
      z
        .object({
          arn: textOrNothing,
          base: textOrNothing,
          sessionName: textOrNothing,
          via: z
            .array(
              z
                .union([z.string(), z.object({ arn: z.string() }).transform(({ arn }) => arn)])
                .catch(""),
            )
            .catch([])
            .default([]),
          sessionTags: z.record(z.string(), z.unknown()).catch({}).default({}),
          transitiveTagKeys: z.array(z.string()).catch([]).default([]),
          authorizationToken: z.object({ file: textOrNothing }).optional().catch(undefined),
        })
        .catch({
          arn: undefined,
          base: undefined,
          sessionName: undefined,
          via: [],
          sessionTags: {},
          transitiveTagKeys: [],
        }),
    )
    .catch({}),
  listeners: z
    .array(
      z
        .object({
          address: textOrNothing,
          role: textOrNothing,
          roles: z.array(z.string()).catch([]).default([]),
        })
        .catch({ address: undefined, role: undefined, roles: [] }),
    )
    .catch([])
    .default([]),
  associations: z
    .array(z.object({ role: textOrNothing }).catch({ role: undefined }))
    .catch([])
    .default([]),
  kubernetes: z
    .object({ annotations: z.object({ crossrole: z.unknown() }) })
    .optional()
    .catch(undefined),
});

type Lenient = z.infer<typeof lenient>;
type LenientRole = Lenient["roles"][string];

/** Every broken rule between the values of `input`, which need not fit the schema. */
export function crossCheck(input: unknown, region: string | undefined): Problem[] {
  const parsed = lenient.safeParse(input);
  if (!parsed.success) return [];
  const file = parsed.data;
  const context = { region, bases: file.bases, isForPodsOnly: forPodsOnly(file) };
  return [
    ...checkReserved(input),
    ...Object.entries(file.roles).flatMap(([name, role]) => checkRole(name, role, context)),
    ...checkListeners(file),
    ...checkPods(input),
    ...checkTokenFiles(file),
    ...file.associations.flatMap(({ role }, index) =>
      checkName(`associations[${index}].role`, role, file.roles, "role"),
    ),
  ];
}

/** zod passes over a `__proto__` among names in silence: what it says would be lost. */
function checkReserved(input: unknown): Problem[] {
  const roles = partOf(input, "roles");
  const tags = Object.entries(roles).map(
    ([name, role]) => [`roles.${name}.sessionTags`, partOf(role, "sessionTags")] as const,
  );
  return [["roles", roles] as const, ["bases", partOf(input, "bases")] as const, ...tags]
    .filter(([, names]) => Object.hasOwn(names, "__proto__"))
    .map(([path]) => ({ path: `${path}.__proto__`, message: "must have another name" }));
}

function partOf(value: unknown, name: string): object {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return {};
  const part: unknown = Reflect.get(value, name);
  return typeof part === "object" && part !== null ? part : {};
}

interface RoleContext {
  readonly region: string | undefined;
  readonly bases: Lenient["bases"];
  readonly isForPodsOnly: (name: string) => boolean;
}

function checkRole(
  name: string,
  role: LenientRole,
  { region, bases, isForPodsOnly }: RoleContext,
): Problem[] {
  const path = `roles.${name}`;
  const base = role.base === "default" ? undefined : role.base;
  const unknownTags = role.transitiveTagKeys
    .filter((key) => !Object.hasOwn(role.sessionTags, key))
    .map((key) => ({
      path: `${path}.transitiveTagKeys`,
      message: `must name keys of sessionTags, has ${JSON.stringify(key)}`,
    }));
  return [
    ...checkName(`${path}.base`, base, bases, "base"),
    ...unknownTags,
    ...checkPartitions(path, role, region),
    ...checkSessionName(path, role, isForPodsOnly(name)),
  ];
}

/** IAM of one partition knows nothing of another: such a chain can never work. */
function checkPartitions(path: string, role: LenientRole, region: string | undefined): Problem[] {
  const arn = parseRoleArn(role.arn ?? "");
  if (typeof arn === "string") return [];
  const problems: Problem[] = [];
  const regional = region === undefined ? undefined : partitionOfRegion(region);
  if (regional !== undefined && regional.name !== arn.partition.name) {
    const message = `is in partition ${arn.partition.name}, but the region ${region} is in ${regional.name}`;
    problems.push({ path: `${path}.arn`, message });
  }
  for (const [index, hop] of role.via.entries()) {
    const via = parseRoleArn(hop);
    if (typeof via === "string" || via.partition.name === arn.partition.name) continue;
    const message = `must be in the role's partition ${arn.partition.name}, is in ${via.partition.name}`;
    problems.push({ path: `${path}.via[${index}]`, message });
  }
  return problems;
}

/** Tells of a role's name whether nobody but pods gets it. */
function forPodsOnly({
  associations,
  kubernetes,
  listeners,
}: Lenient): RoleContext["isForPodsOnly"] {
  const associated = new Set(associations.map(({ role }) => role));
  const served = new Set(listeners.flatMap(({ role, roles }) => [role, ...roles]));
  const isAnnotated = kubernetes?.annotations.crossrole !== undefined;
  return (name) => (isAnnotated || associated.has(name)) && !served.has(name);
}

/** Only a pod has a namespace: for any other caller the name would have a hole. */
function checkSessionName(path: string, role: LenientRole, isForPodsOnly: boolean): Problem[] {
  const placeholder = /\{(?:namespace|serviceAccount|pod|node)\}/.exec(role.sessionName ?? "")?.[0];
  if (placeholder === undefined || isForPodsOnly) return [];
  const message = `has ${placeholder}, which only the callers of a pods listener have`;
  return [{ path: `${path}.sessionName`, message }];
}

/** The second role's token would take the place of the first's, whose clients were locked out. */
function checkTokenFiles({ roles }: Lenient): Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, string>();
  for (const [name, { authorizationToken }] of Object.entries(roles)) {
    const file = authorizationToken?.file;
    if (file === undefined) continue;
    const first = seen.get(file);
    if (first === undefined) seen.set(file, name);
    else {
      const path = `roles.${name}.authorizationToken.file`;
      problems.push({ path, message: `must be a file of its own, is that of roles.${first}` });
    }
  }
  return problems;
}

function checkListeners({ listeners, roles }: Lenient): Problem[] {
  const problems: Problem[] = [];
  const seen = new Map<string, number>();
  for (const [index, listener] of listeners.entries()) {
    const path = `listeners[${index}]`;
    problems.push(...checkName(`${path}.role`, listener.role, roles, "role"));
    for (const name of listener.roles)
      problems.push(...checkName(`${path}.roles`, name, roles, "role"));
    if (listener.address === undefined || listener.address.endsWith(":0")) continue;
    const first = seen.get(listener.address);
    if (first === undefined) seen.set(listener.address, index);
    else {
      const message = `must be an address of its own, is that of listeners[${first}]`;
      problems.push({ path: `${path}.address`, message });
    }
  }
  return problems;
}
