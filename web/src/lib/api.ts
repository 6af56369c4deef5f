// One way to ask the server: JSON in, JSON out, and errors that carry the request's id.

export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly requestId: string | null,
    readonly hint?: string,
  ) {
    super(message);
  }
}

export interface Ask {
  method?: string;
  query?: Record<string, string | number | undefined | null>;
  json?: unknown;
  text?: string;
  signal?: AbortSignal;
}

export function withQuery(url: string, query?: Ask["query"]) {
  if (!query) return url;
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined && value !== null && value !== "") params.set(key, String(value));
  const text = params.toString();
  return text ? `${url}?${text}` : url;
}

export async function send(url: string, ask: Ask = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  let body: string | undefined;
  if (ask.json !== undefined) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(ask.json);
  } else if (ask.text !== undefined) {
    headers["content-type"] = "application/yaml";
    body = ask.text;
  }
  let response: Response;
  try {
    response = await fetch(withQuery(url, ask.query), { method: ask.method ?? (body === undefined ? "GET" : "POST"), headers, body, signal: ask.signal });
  } catch (error) {
    if (ask.signal?.aborted) throw error;
    throw new Failure("The server does not answer. It may be restarting, or the network between you is down.", 0, null);
  }
  if (response.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

async function failure(response: Response): Promise<Failure> {
  const id = response.headers.get("x-request-id");
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    const message = body.detail ?? body.message ?? body.title ?? body.error ?? response.statusText;
    return new Failure(String(message), response.status, (body.request_id as string | undefined) ?? id);
  } catch {
    const message = text && text.length < 300 && !text.includes("<") ? text : `The server answered ${response.status} ${response.statusText}.`;
    return new Failure(message, response.status, id);
  }
}

export async function ask<T>(url: string, options: Ask = {}): Promise<T> {
  const response = await send(url, options);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export const asFailure = (error: unknown): Failure =>
  error instanceof Failure ? error : new Failure(error instanceof Error ? error.message : String(error), 0, null);
