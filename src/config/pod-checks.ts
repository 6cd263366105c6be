/** @module The rules between what the file says of pods and everything else. */
import * as z from "zod";
import { checkName } from "./names.ts";
import type { Problem } from "./problems.ts";

const text = z.string().optional().catch(undefined);
const present = z.unknown().transform((value) => value !== undefined);

/** As much as these rules look at; what is of another kind is the schema's to tell of. */
const lenient = z.object({
  bases: z.record(z.string(), z.unknown()).catch({}).default({}),
  roles: z
    .record(
      z.string(),
      z
        .object({
          base: text,
          via: z.array(z.unknown()).catch([]).default([]),
          externalId: present,
          sessionTags: present,
          transitiveTagKeys: present,
          sourceIdentity: present,
        })
        .optional()
        .catch(undefined),
    )
    .catch({}),
  associations: z
    .array(z.object({ role: text }).catch({ role: undefined }))
    .catch([])
    .default([]),
  kubernetes: z
    .object({
      annotations: z
        .record(
          z.string(),
          z
            .object({ base: text, via: z.array(z.unknown()).catch([]).default([]) })
            .catch({ base: undefined, via: [] }),
        )
        .catch({})
        .default({}),
    })
    .optional()
    .catch(undefined),
});

type Lenient = z.infer<typeof lenient>;

export function checkPods(input: unknown): Problem[] {
  const parsed = lenient.safeParse(input);
  if (!parsed.success) return [];
  const file = parsed.data;
  return [...checkFirstRoles(file), ...checkBases(file), ...checkFirstHops(file)];
}

/** What a pod's token assumes is asked for by AssumeRoleWithWebIdentity, which takes none of these. */
function checkFirstRoles({ associations, roles }: Lenient): Problem[] {
  const names = new Set(associations.map(({ role }) => role ?? ""));
  return [...names].flatMap((name) => {
    const role = Object.hasOwn(roles, name) ? roles[name] : undefined;
    if (role === undefined || (role.base !== undefined && role.base !== "")) return [];
    const [first] = role.via;
    if (first !== undefined) {
      return hasExternalId(first) ? [refusedAt(`roles.${name}.via[0].externalId`)] : [];
    }
    const settings = ["externalId", "sessionTags", "transitiveTagKeys", "sourceIdentity"] as const;
    return settings.filter((key) => role[key]).map((key) => refusedAt(`roles.${name}.${key}`));
  });
}

function hasExternalId(hop: unknown): boolean {
  return typeof hop === "object" && hop !== null && Object.hasOwn(hop, "externalId");
}

function refusedAt(path: string): Problem {
  const message =
    "must be left out: pods assume this role first, with their own token, and " +
    "AssumeRoleWithWebIdentity takes no such thing; let another role assume it (via), or name a base";
  return { path, message };
}

/** The same of the hops on the way to what annotations name. */
function checkFirstHops({ kubernetes }: Lenient): Problem[] {
  return Object.entries(kubernetes?.annotations ?? {})
    .filter(([, { base, via }]) => (base ?? "") === "" && hasExternalId(via[0]))
    .map(([kind]) => refusedAt(`kubernetes.annotations.${kind}.via[0].externalId`));
}

function checkBases({ bases, kubernetes }: Lenient): Problem[] {
  return Object.entries(kubernetes?.annotations ?? {}).flatMap(([kind, { base }]) =>
    checkName(
      `kubernetes.annotations.${kind}.base`,
      base === "default" ? undefined : base,
      bases,
      "base",
    ),
  );
}
