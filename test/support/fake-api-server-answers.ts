/** @module What the fake API server answers: objects, and the `Status` of the real one's refusals, word for word. */

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Thrown where the real one returns an error, and answered as its `Status`. */
export class Refusal extends Error {
  readonly answer: Answer;

  constructor(code: number, message: string, more: { reason?: string; details?: object } = {}) {
    super(message);
    this.answer = { status: code, body: statusOf(code, message, more) };
  }
}

/** Fields in the order in which Go writes them. */
function statusOf(
  code: number,
  message: string,
  { reason, details }: { readonly reason?: string; readonly details?: object } = {},
): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    ...(reason === undefined ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  };
}

export function unauthorized(): Refusal {
  return new Refusal(401, "Unauthorized", { reason: "Unauthorized" });
}

export function notFound(kind: string, name: string): Refusal {
  const details = { name, kind };
  return new Refusal(404, `${kind} "${name}" not found`, { reason: "NotFound", details });
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, message, { reason: "BadRequest" });
}

export function expired(message: string): Refusal {
  return new Refusal(410, message, { reason: "Expired" });
}

/** What is wrong with one field. */
export interface FieldError {
  readonly type: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired";
  readonly field: string;
  readonly value?: string | number;
  readonly message: string;
}

const FIELD_WORDS = {
  FieldValueInvalid: "Invalid value",
  FieldValueForbidden: "Forbidden",
  FieldValueRequired: "Required value",
} as const;

export function invalid(
  { group = "", kind, name = "" }: { group?: string; kind: string; name?: string },
  errors: readonly FieldError[],
): Refusal {
  const causes = errors.map(({ type, field, value, message }) => ({
    reason: type,
    message: `${FIELD_WORDS[type]}: ${value === undefined ? "" : `${JSON.stringify(value)}: `}${message}`,
    field,
  }));
  const said = causes.map(({ field, message }) => `${field}: ${message}`);
  const words = said.length === 1 ? said[0] : `[${said.join(", ")}]`;
  const qualified = group === "" ? kind : `${kind}.${group}`;
  const details = {
    ...(name === "" ? {} : { name }),
    ...(group === "" ? {} : { group }),
    kind,
    causes,
  };
  return new Refusal(422, `${qualified} "${name}" is invalid: ${words}`, {
    reason: "Invalid",
    details,
  });
}

export function internalError(message: string): Refusal {
  const details = { causes: [{ message }] };
  const reason = "InternalError";
  return new Refusal(500, `Internal error occurred: ${message}`, { reason, details });
}
