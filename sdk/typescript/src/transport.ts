import createClient, { type Client } from "openapi-fetch";
import { ApiError, AtollError, ConnectionFailed, ProtocolError } from "./errors.js";
import { isWorthTrying, type Retries, sleep, waitMs } from "./retry.js";
import type { paths } from "./schema.js";
import { Socket } from "./socket.js";

/** Operations that make something: a key makes them safe to repeat. */
const CREATES = /^\/(api-keys|environments|sandboxes|sandboxes\/[^/]+\/(background|replicate))$/;
/** Errors of a connection that never came about: nothing was asked. */
const NEVER_CONNECTED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** A stream of events says every 15 seconds that it lives. */
const SILENCE_MS = 45_000;
/** Of one event; they have some hundred. */
const EVENT_CHARS_MAX = 1 << 20;

/** What may be sent as a body of bytes. */
export type Bytes = string | Uint8Array | Blob | ReadableStream<Uint8Array>;

type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

/** The connection to one Atoll: sends requests, tries again, opens WebSockets. */
export class Transport {
  readonly api: Client<paths>;
  readonly baseUrl: string;
  #key: string | undefined;

  constructor(
    baseUrl: string,
    key: string | undefined,
    readonly retries: Retries,
  ) {
    this.baseUrl = baseUrl.replace(/\/+$/, "");
    this.#key = key;
    this.api = createClient<paths>({ baseUrl: this.baseUrl, fetch: (request) => this.#send(request) });
  }

  /** Sends this key or token from now on. */
  useKey(key: string): void {
    this.#key = key;
  }

  async #send(request: Request): Promise<Response> {
    const isCreate = request.method === "POST" && CREATES.test(new URL(request.url).pathname);
    const repeatable = isCreate || ["GET", "PUT", "DELETE"].includes(request.method);
    if (this.#key) request.headers.set("authorization", `Bearer ${this.#key}`);
    if (isCreate) request.headers.set("idempotency-key", crypto.randomUUID());
    for (let attempt = 1; ; attempt += 1) {
      let again: boolean;
      let retryAfter: string | null = null;
      let result: Response | ConnectionFailed;
      try {
        result = await fetch(request.clone());
        if (result.ok) return result;
        const code = ((await json(result.clone())) as { error?: { code?: string } } | undefined)?.error?.code;
        retryAfter = result.headers.get("retry-after");
        again = isWorthTrying(result.status, code ?? "", repeatable);
      } catch (cause) {
        again = repeatable || NEVER_CONNECTED.has(causeCode(cause));
        result = unreachable(this.baseUrl, cause);
      }
      const wait = again ? waitMs(this.retries, attempt, retryAfter) : undefined;
      if (wait === undefined) {
        if (result instanceof Response) return result;
        throw result;
      }
      await sleep(wait);
    }
  }

  /** A request whose body or answer is bytes. It is sent once. */
  async raw(method: string, path: string, query: Query, body?: Bytes, headers: Record<string, string> = {}) {
    const init: RequestInit & { duplex?: "half" } = { method, headers: { ...this.#authorization(), ...headers } };
    if (body !== undefined) {
      init.body = body as BodyInit;
      init.duplex = "half";
    }
    let answer: Response;
    try {
      answer = await fetch(this.baseUrl + path + search(query), init);
    } catch (cause) {
      throw unreachable(this.baseUrl, cause);
    }
    if (!answer.ok) throw ApiError.of(answer.status, await json(answer));
    return answer;
  }

  /** Server-sent events, as they come: the fields of each. A comment has none. */
  async *serverSent(path: string, headers: Record<string, string>): AsyncGenerator<Map<string, string>, void> {
    const abort = new AbortController();
    const silent = () =>
      setTimeout(() => abort.abort(new ConnectionFailed("the stream of events is silent")), SILENCE_MS);
    let timer = silent();
    try {
      const sent = { ...this.#authorization(), accept: "text/event-stream", ...headers };
      const answer = await fetch(this.baseUrl + path, { headers: sent, signal: abort.signal });
      if (!answer.ok) throw ApiError.of(answer.status, await json(answer));
      const decoder = new TextDecoder();
      const reader = answer.body?.getReader();
      let rest = "";
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        clearTimeout(timer);
        timer = silent();
        const blocks = (rest + decoder.decode(part.value, { stream: true })).split("\n\n");
        rest = blocks.pop() ?? "";
        if (rest.length > EVENT_CHARS_MAX) throw new ProtocolError("an event has no end: is the base URL right?");
        for (const block of blocks) yield fields(block);
      }
    } catch (cause) {
      throw cause instanceof AtollError ? cause : unreachable(this.baseUrl, cause);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  #authorization(): Record<string, string> {
    return this.#key ? { authorization: `Bearer ${this.#key}` } : {};
  }

  /** Opens a WebSocket; the key goes along as a subprotocol, since browsers cannot set headers there. */
  socket(path: string, query: Query, protocols: string[] = []): Promise<Socket> {
    const bearer = this.#key ? [`bearer.${this.#key}`] : [];
    return Socket.open(this.baseUrl.replace(/^http/, "ws") + path + search(query), [...protocols, ...bearer]);
  }
}

function unreachable(baseUrl: string, cause: unknown): ConnectionFailed {
  return new ConnectionFailed(`${baseUrl} cannot be reached: ${causeCode(cause) || String(cause)}`, { cause });
}

function causeCode(error: unknown): string {
  return (error as { cause?: { code?: string } } | undefined)?.cause?.code ?? "";
}

function fields(block: string): Map<string, string> {
  const lines = block.split("\n").map((line) => /^([^:]+): ?(.*)$/.exec(line));
  return new Map(lines.flatMap((line) => (line ? [[line[1] ?? "", line[2] ?? ""]] : [])));
}

async function json(answer: Response): Promise<unknown> {
  try {
    return await answer.json();
  } catch {
    return undefined;
  }
}

function search(query: Query): string {
  const pairs = Object.entries(query).flatMap(([key, value]) => {
    const all = Array.isArray(value) ? value : [value];
    return all.filter((one) => one !== undefined && one !== null).map((one) => [key, String(one)]);
  });
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs as [string, string][])}`;
}

/** A value as a part of a path. */
export function place(value: string): string {
  if (["", ".", ".."].includes(value)) {
    throw new TypeError(`${JSON.stringify(value)} names nothing: it cannot be a part of a path`);
  }
  return encodeURIComponent(value);
}

/** What lies in the envelope of an answer. */
export function enveloped<T>(answer: unknown): T {
  const envelope = answer as { success?: boolean; data?: T } | undefined;
  if (envelope?.success !== true || envelope.data === undefined) {
    throw new ProtocolError("the answer is not one of Atoll: is the base URL right?");
  }
  return envelope.data;
}
