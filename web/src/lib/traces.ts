// Traces as MLflow's third REST version speaks of them: the list, one trace with its spans, assessments.
import { ask } from "./api";
import { millis } from "./format";

const V3 = "/ajax-api/3.0/mlflow/traces";
const enc = encodeURIComponent;

export interface Assessment {
  assessment_id: string; assessment_name: string; source?: { source_type: string; source_id?: string }; rationale?: string; span_id?: string;
  create_time?: string; valid?: boolean; error?: { error_code?: string; error_message?: string };
  feedback?: { value?: unknown; error?: { error_code?: string; error_message?: string } }; expectation?: { value?: unknown; serialized_value?: { value: string } };
}
export interface TraceInfo {
  trace_id: string; client_request_id?: string; trace_location?: { mlflow_experiment?: { experiment_id: string } }; request_preview?: string; response_preview?: string;
  request_time?: string; execution_duration?: string; state: string; trace_metadata?: Record<string, string>; tags?: Record<string, string>; assessments?: Assessment[];
}

/** A value of OpenTelemetry, in JSON: exactly one of these is there. */
interface AnyValue {
  string_value?: string; bool_value?: boolean; int_value?: string | number; double_value?: number | string; array_value?: { values?: AnyValue[] }; kvlist_value?: { values?: KeyValue[] }; bytes_value?: string;
}
interface KeyValue { key: string; value?: AnyValue }
interface WireEvent { name: string; time_unix_nano?: string | number; attributes?: KeyValue[] }
interface WireSpan {
  span_id: string; parent_span_id?: string; name: string; start_time_unix_nano?: string | number; end_time_unix_nano?: string | number;
  status?: { code?: string | number; message?: string }; attributes?: KeyValue[]; events?: WireEvent[];
}

export interface Event { name: string; at: number; attributes: Record<string, unknown> }
export interface Span {
  id: string; parent: string; name: string; kind: string; state: "OK" | "ERROR" | "UNSET"; message: string;
  /** Milliseconds since the trace began. */
  start: number; took: number; depth: number; inputs: unknown; outputs: unknown; attributes: Record<string, unknown>; events: Event[]; children: number;
}

export async function search(experiment: string, filter: string, pageToken?: string) {
  const answer = await ask<{ traces?: TraceInfo[]; next_page_token?: string }>(`${V3}/search`, {
    json: { locations: [{ type: "MLFLOW_EXPERIMENT", mlflow_experiment: { experiment_id: experiment } }], filter: filter || undefined, max_results: 100, page_token: pageToken, order_by: ["timestamp_ms DESC"] },
  });
  return { rows: answer.traces ?? [], next: answer.next_page_token || undefined };
}

export async function trace(id: string) {
  const { trace } = await ask<{ trace: { trace_info: TraceInfo; spans?: WireSpan[] } }>(`${V3}/get`, { query: { trace_id: id } });
  return { info: trace.trace_info, spans: tree(trace.spans ?? []) };
}

export const tracesDelete = (experiment: string, ids: string[]) => ask(`${V3}/delete-traces`, { json: { experiment_id: experiment, request_ids: ids } });
export const feedback = (id: string, name: string, value: unknown, rationale: string, user: string) =>
  ask(`${V3}/${enc(id)}/assessments`, { json: { assessment: { assessment_name: name, trace_id: id, source: { source_type: "HUMAN", source_id: user }, rationale: rationale || undefined, feedback: { value } } } });
export const assessmentDelete = (id: string, assessment: string) => ask(`${V3}/${enc(id)}/assessments/${enc(assessment)}`, { method: "DELETE" });

export const nameOf = (info: TraceInfo) => info.tags?.["mlflow.traceName"] ?? info.trace_id;
export const userTags = (info: TraceInfo) => Object.entries(info.tags ?? {}).filter(([key]) => !key.startsWith("mlflow.")).map(([key, value]) => ({ key, value }));
export const startOf = (info: TraceInfo) => millis(info.request_time);
/** The duration of protobuf in JSON, `0.089s`, as milliseconds. */
export const tookOf = (info: TraceInfo) => (info.execution_duration === undefined ? null : Number(info.execution_duration.replace(/s$/, "")) * 1000);

export const verdict = (one: Assessment): unknown => {
  const { expectation, feedback } = one;
  return feedback ? feedback.value : expectation?.serialized_value ? read(expectation.serialized_value.value) : expectation?.value;
};

function plain(value: AnyValue | undefined): unknown {
  if (!value) return null;
  if (value.string_value !== undefined) return value.string_value;
  if (value.bool_value !== undefined) return value.bool_value;
  if (value.int_value !== undefined) return Number(value.int_value);
  if (value.double_value !== undefined) return Number(value.double_value);
  if (value.array_value) return (value.array_value.values ?? []).map(plain);
  if (value.kvlist_value) return record(value.kvlist_value.values);
  return value.bytes_value ?? null;
}

const record = (pairs: KeyValue[] | undefined): Record<string, unknown> => Object.fromEntries((pairs ?? []).map(({ key, value }) => [key, plain(value)]));

/** MLflow's clients put JSON text into attributes; anything else stands for itself. */
function read(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Spans in the order of their tree, children by their start; a span whose parent is missing is a root. */
function tree(wire: WireSpan[]): Span[] {
  const zero = wire.reduce((least, span) => { const at = BigInt(span.start_time_unix_nano ?? 0); return at < least ? at : least; }, BigInt(wire[0]?.start_time_unix_nano ?? 0));
  const since = (nano: string | number | undefined) => Number(BigInt(nano ?? 0) - zero) / 1e6;
  const known = new Set(wire.map((span) => span.span_id));
  const children = new Map<string, WireSpan[]>();
  for (const span of wire) {
    const parent = span.parent_span_id && known.has(span.parent_span_id) && span.parent_span_id !== span.span_id ? span.parent_span_id : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const found: Span[] = [];
  // A stack, since a trace may be deeper than calls may nest; what was met once is not met again.
  const byStart = (spans: WireSpan[]) => [...spans].sort((a, b) => since(b.start_time_unix_nano) - since(a.start_time_unix_nano));
  const stack = byStart(children.get("") ?? []).map((span) => ({ span, depth: 0 }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { span, depth } = next;
    const below = children.get(span.span_id) ?? [];
    found.push({ ...shape(span, since), depth, children: below.length });
    stack.push(...byStart(below).map((child) => ({ span: child, depth: depth + 1 })));
  }
  return found;
}

function shape(span: WireSpan, since: (nano: string | number | undefined) => number): Omit<Span, "depth" | "children"> {
  const attributes = Object.fromEntries(Object.entries(record(span.attributes)).map(([key, value]) => [key, read(value)]));
  const { "mlflow.spanInputs": inputs, "mlflow.spanOutputs": outputs, "mlflow.spanType": kind, "mlflow.traceRequestId": _, ...others } = attributes;
  const code = String(span.status?.code ?? "");
  const start = since(span.start_time_unix_nano);
  return {
    id: span.span_id, parent: span.parent_span_id ?? "", name: span.name, kind: typeof kind === "string" ? kind : "UNKNOWN",
    state: code === "2" || code.endsWith("ERROR") ? "ERROR" : code === "1" || code.endsWith("OK") ? "OK" : "UNSET", message: span.status?.message ?? "",
    start, took: span.end_time_unix_nano && String(span.end_time_unix_nano) !== "0" ? Math.max(0, since(span.end_time_unix_nano) - start) : NaN,
    inputs, outputs, attributes: others,
    events: (span.events ?? []).map((event) => ({ name: event.name, at: since(event.time_unix_nano), attributes: record(event.attributes) })),
  };
}
