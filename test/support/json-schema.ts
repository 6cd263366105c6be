/** @module As much of JSON Schema as the one of the configuration is made of. */

export type Schema = Readonly<Record<string, unknown>>;

/** Every place that `schema` has a key for: `roles.*.via[].arn`, with `*` for names of the user's own. */
export function placesOf(schema: Schema): string[] {
  return [...new Set(places(schema, ""))];
}

function* places(schema: Schema, at: string): Generator<string> {
  for (const option of schemasIn(schema["anyOf"])) yield* places(option, at);
  for (const [key, part] of propertiesOf(schema)) {
    const place = at === "" ? key : `${at}.${key}`;
    yield place;
    yield* places(part, place);
  }
  const { items, additionalProperties: named } = schema;
  if (isSchema(items)) yield* places(items, `${at}[]`);
  if (isSchema(named)) yield* places(named, `${at}.*`);
}

/** The places of {@link placesOf} that `value` has a key at; a key that `schema` does not know as it is. */
export function placesIn(schema: Schema, value: unknown): string[] {
  return [...new Set(used(schema, value, ""))];
}

function* used(schema: Schema, value: unknown, at: string): Generator<string> {
  if (typeof value !== "object" || value === null) return;
  const options = schemasIn(schema["anyOf"]);
  for (const option of options) if (option["type"] === "object") yield* used(option, value, at);
  if (options.length > 0) return;
  const { items, additionalProperties: named } = schema;
  if (Array.isArray(value)) {
    for (const part of value) if (isSchema(items)) yield* used(items, part, `${at}[]`);
    return;
  }
  const known = new Map(propertiesOf(schema));
  for (const [key, part] of Object.entries(value)) {
    const place = at === "" ? key : `${at}.${key}`;
    const below = known.get(key);
    if (below === undefined && isSchema(named)) yield* used(named, part, `${at}.*`);
    else yield place;
    if (below !== undefined) yield* used(below, part, place);
  }
}

/** What of `value` does not fit `schema`: kinds, keys, names, patterns and bounds. */
export function misfitsIn(schema: Schema, value: unknown): string[] {
  return [...misfits(schema, value, "$")];
}

function* misfits(schema: Schema, value: unknown, at: string): Generator<string> {
  const options = schemasIn(schema["anyOf"]);
  if (options.length > 0) {
    if (options.every((option) => misfitsIn(option, value).length > 0)) yield `${at} fits nothing`;
    return;
  }
  const { type, items } = schema;
  if (typeof type === "string" && !isOf(type, value)) yield `${at} is no ${type}`;
  else if (!isWithin(schema, value)) yield `${at} is out of bounds`;
  else if (Array.isArray(value)) {
    for (const [index, part] of value.entries()) {
      if (isSchema(items)) yield* misfits(items, part, `${at}[${index}]`);
    }
  } else if (typeof value === "object" && value !== null) yield* misfitsOfKeys(schema, value, at);
}

function* misfitsOfKeys(schema: Schema, value: object, at: string): Generator<string> {
  const { required, propertyNames: names, additionalProperties: more } = schema;
  for (const key of Array.isArray(required) ? required.map(String) : []) {
    if (!Object.hasOwn(value, key)) yield `${at}.${key} is missing`;
  }
  const known = new Map(propertiesOf(schema));
  for (const [key, part] of Object.entries(value)) {
    const below = known.get(key) ?? more;
    if (below === false) yield `${at}.${key} is unknown`;
    if (isSchema(names)) yield* misfits(names, key, `the name ${at}.${key}`);
    if (isSchema(below)) yield* misfits(below, part, `${at}.${key}`);
  }
}

function isOf(type: string, value: unknown): boolean {
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object" && (value === null || Array.isArray(value))) return false;
  return typeof value === type;
}

function isWithin(schema: Schema, value: unknown): boolean {
  const { pattern, const: only } = schema;
  const bound = (name: string, otherwise: number) => Number(schema[name] ?? otherwise);
  if (only !== undefined && value !== only) return false;
  if (typeof value === "number") {
    return value >= bound("minimum", -Infinity) && value <= bound("maximum", Infinity);
  }
  if (typeof value !== "string") return true;
  const fits = typeof pattern !== "string" || new RegExp(pattern).test(value);
  return fits && value.length >= bound("minLength", 0) && value.length <= bound("maxLength", 1e9);
}

function propertiesOf({ properties }: Schema): [string, Schema][] {
  if (!isSchema(properties)) return [];
  return Object.entries(properties).filter((entry): entry is [string, Schema] =>
    isSchema(entry[1]),
  );
}

function schemasIn(options: unknown): Schema[] {
  return Array.isArray(options) ? options.filter(isSchema) : [];
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
