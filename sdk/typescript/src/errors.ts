import type { components } from "./schema.js";

type Known = components["schemas"]["ErrorCode"];
/** Stable code of a failure: one of the documented list, or one of a later release. */
export type ErrorCode = Known | (string & {});

/** Whatever this package throws of its own. */
export class AtollError extends Error {
  override name = "AtollError";
}

/** Atoll could not be reached, or the connection was lost, also after trying again. */
export class ConnectionFailed extends AtollError {
  override name = "ConnectionFailed";
}

/** What came is not what Atoll would say. */
export class ProtocolError extends AtollError {
  override name = "ProtocolError";
}

/** Atoll refused a request, or failed to do it. */
export class ApiError extends AtollError {
  override name = "ApiError";

  constructor(
    /** Stable code from the documented list. */
    readonly code: ErrorCode,
    /** What happened and what would be right, for people. */
    readonly reason: string,
    /** The HTTP status. */
    readonly status: number,
    /** More for programs: which fields are wrong, for instance. */
    readonly details?: unknown,
    /** Finds the request in the log of the server. */
    readonly traceId?: string,
  ) {
    super(`${reason} (${code})`);
  }

  /** The error of an answer that says what went wrong, or of one that comes from something in between. */
  static of(status: number, body: unknown): ApiError {
    const error = (body as { error?: Partial<components["schemas"]["FailureBody"]> } | null)?.error;
    if (typeof error?.code !== "string") {
      return new ApiError("unknown", `the answer was HTTP ${status}, and is not one of Atoll`, status);
    }
    return new ApiError(error.code, String(error.message), status, error.details, error.traceId);
  }
}

/** Whether an error is Atoll's, with this code. */
export function hasCode<C extends Known>(error: unknown, code: C): error is ApiError & { code: C } {
  return error instanceof ApiError && error.code === code;
}
