/** @module What was given to the library, checked: whoever calls it need not write TypeScript. */
import { CrossroleError } from "./errors.ts";

const isString = (value: unknown) => typeof value === "string";
const isObject = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const STRING = { holds: isString, rule: "a string" } as const;
const OBJECT = { holds: isObject, rule: "an object" } as const;

interface Rule {
  readonly holds: (value: unknown) => boolean;
  readonly rule: string;
}

const COMMON = {
  region: STRING,
  stsEndpoint: STRING,
  environment: OBJECT,
  protocol: {
    holds: (value) => value === "imds" || value === "container",
    rule: "imds or container",
  },
  onLog: { holds: (value) => typeof value === "function", rule: "a function" },
} as const satisfies Record<string, Rule>;

const OF_A_ROLE: Readonly<Record<string, Rule>> = {
  ...COMMON,
  roleArn: STRING,
  via: {
    holds: (value) => Array.isArray(value) && value.every(isString),
    rule: "a list of strings",
  },
  externalId: STRING,
  sessionName: STRING,
  durationSeconds: { holds: (value) => typeof value === "number", rule: "a number" },
  profile: STRING,
};

const OF_A_CONFIG: Readonly<Record<string, Rule>> = {
  ...COMMON,
  config: OBJECT,
  role: STRING,
};

/** What is undefined counts as not given. @throws {@link CrossroleError} `ERR_USAGE` in the words of the library. */
export function checkOptions(options: unknown): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw refusal("options must be an object");
  }
  const given = new Map<string, unknown>(
    Object.entries(options).filter(([, value]) => value !== undefined),
  );
  const kind = given.has("config") ? "config" : "roleArn";
  if (!given.has(kind)) throw refusal("roleArn must be given, or config");
  if (kind === "config" && given.has("roleArn")) {
    throw refusal("roleArn and config must not be given together");
  }
  const rules = new Map(Object.entries(kind === "config" ? OF_A_CONFIG : OF_A_ROLE));
  for (const [name, value] of given) {
    const rule = rules.get(name);
    if (rule === undefined) {
      throw refusal(`there is no option ${JSON.stringify(name)} beside ${kind}`);
    }
    if (!rule.holds(value)) throw refusal(`${name} must be ${rule.rule}`);
  }
}

/** `config` as the text of a file. @throws {@link CrossroleError} `ERR_USAGE` where it is more than JSON. */
export function jsonOf(config: object): string {
  try {
    return JSON.stringify(config);
  } catch (error) {
    const cause = { cause: error };
    throw new CrossroleError(
      "ERR_USAGE",
      "startCrossrole: config must be what JSON can hold",
      cause,
    );
  }
}

function refusal(message: string): CrossroleError {
  return new CrossroleError("ERR_USAGE", `startCrossrole: ${message}`);
}
