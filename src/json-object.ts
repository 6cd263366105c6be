/** @module JSON that somebody else has written, and that may be anything. */

/** The object that `text` is in JSON; undefined when it is none. Never says what was in it. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return { ...value };
  } catch {
    // Without the error: JSON.parse quotes what it could not read, and that may be a secret.
    return undefined;
  }
}
