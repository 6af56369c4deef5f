// Crannog's own API, /api/crannog/v1: its shapes and one function per route.
import { ask, send, withQuery } from "./api";

const V1 = "/api/crannog/v1";
const enc = encodeURIComponent;

export type Role = "guest" | "member" | "viewer" | "editor" | "admin";
export interface Me { user: string; role: Role }
export interface Status {
  version: string; started_at: string; uptime_s: number; pid: number; data_dir: string; http_url: string; s3_url: string;
  rss_bytes: number; tasks: { name: string; count: number }[]; checks: { name: string; ok: boolean; detail: string | null }[];
}
export interface Snapshot { name: string; taken_at: string; took_ms: number; files: number; bytes: number; new_files: number; new_bytes: number }
export interface BackupBegun { id: number; dir: string; begun_at: string }
export interface Backups {
  dir: string | null; every_s: number; keep: number | null; newest_at: string | null;
  running: (BackupBegun & { progress: { files: number; bytes: number; of_files: number; of_bytes: number } }) | null;
  last: (BackupBegun & { ended_at: string; snapshot: Snapshot | null; error: string | null }) | null;
}
export interface ClientEnv { tracking_uri: string; s3_endpoint: string; region: string; own_authority: boolean }
export interface User { name: string; role: Role; created_at: string | null; email?: string; display_name?: string }
export interface Token { id: string; label: string; user?: string; created_at?: string | null; expires_at?: string | null; last_used_at?: string | null }
export interface S3Key { id?: string; access_key_id: string; label: string; user?: string; created_at?: string | null; expires_at?: string | null }

export type RunState = "queued" | "running" | "success" | "failed" | "cancelled";
export interface PipeRunMark { id: string; state: RunState; started_at: string | null; ended_at: string | null }
export interface TaskDef { id: string; needs: string[]; group?: string; trigger_rule?: string; when?: string; for_each?: unknown }
/** What a parameter takes is told as far as the definition says it. */
export interface PipeParam {
  name: string; default: string | null; type?: "string" | "integer" | "number" | "boolean" | "date" | "datetime" | "array";
  description?: string; enum?: string[]; minimum?: number; maximum?: number; pattern?: string;
}
/** What starts a run besides the schedule; which of the fields there are depends on the kind. */
export interface PipeTrigger { kind: string; subject: string; prefix?: string; suffix?: string; alias?: string; state?: string; secret?: string; params?: Record<string, string> }
/** The newest text of a pipeline's source, where it is bad. */
export interface Rejected { text: string; errors: { message: string; line: number | null; column: number | null }[] }
export interface Pipeline {
  name: string; description: string | null; schedule: string | null; schedule_text: string | null; timezone: string | null; paused: boolean;
  next_run_at: string | null; source: string | null; commit: string | null; error: string | null; params: PipeParam[];
  tasks: TaskDef[]; recent_runs: PipeRunMark[]; definition?: string;
  schedules?: string[]; catchup?: string | null; max_active_runs?: number; start_at?: string | null; end_at?: string | null; deadline_s?: number | null; triggers?: PipeTrigger[]; trigger_note?: string | null;
  followed?: boolean; rejected?: Rejected | null;
}
export interface PipeTask extends TaskDef {
  state: string; attempt: number; max_attempts: number; started_at: string | null; ended_at: string | null; exit_code: number | null; reason: string | null;
  waiting_for?: string | null; output?: Record<string, unknown> | null; map_index?: number | null; mapped?: number | null; pool?: string; priority?: number;
}
/** Something that definitions are followed from. */
export interface PipeSource { kind: string; place: string; ref: string | null; commit: string | null; looked_at: string | null; error: string | null }
export interface Attempt { attempt: number; state: string; started_at: string; ended_at: string | null; exit_code: number | null; reason: string | null }
export interface CalendarDay { day: string; states: Partial<Record<RunState, number>>; planned: number; runs: { id: string; state: RunState; logical_at: string }[] }
export interface Calendar { month: string; timezone: string; today: string; days: CalendarDay[] }
export interface Found { lines: { line: number; text: string }[]; total: number; more: boolean }
export interface PipeRun extends PipeRunMark {
  pipeline: string; trigger: string; commit: string | null; logical_at: string | null; created_at: string | null; params: Record<string, unknown>; tasks?: PipeTask[]; waiting_for?: string | null;
  not_before?: string | null; event?: Record<string, unknown> | null; deadline_at?: string | null; deadline_missed?: boolean; timezone?: string;
}
export interface Tensor { name: string; datatype: string; shape: number[] }
export interface Quantiles { p50: number | null; p95: number | null; p99: number | null }
export interface Route {
  name: string; model: string; weight: number; share: number; match: { header: string; value: string } | null; shadow: boolean; limits: unknown; state: string;
  model_name: string | null; version: string | null; error: string | null; warm: string[]; waiting: number;
}
export interface CanaryGates { error_rate: number; p95_ms?: number; p95_ratio?: number; agreement?: number; min_requests: number }
export interface Canary {
  id: string; model: string; version: string; champion: string; steps: { weight: number; seconds: number }[]; gates: CanaryGates;
  status: "running" | "promoting" | "promoted" | "rolled_back"; step: number; step_began_ms: number | null; began_ms: number; ended_ms: number | null; note: string; user: string;
  figures: { requests: number; errors: number; p95_ms: number | null; champion_p95_ms: number | null; compared: number; agreed: number };
}
export interface VersionStats {
  model: string; version: string; requests: number; errors: number; refused: number; in_flight: number; requests_per_s: number; latency_ms: Quantiles; minute_latency_ms: Quantiles;
  queue_ms: number | null; rows: number; series: { at_ms: number; requests: number; errors: number; mean_ms: number | null }[];
  shadow: { requests: number; errors: number; dropped: number; rows: number; agreed: number; agreement: number | null; latency_ms: Quantiles };
}
export interface Failed { at: string; request_id: string; route: string; version: string | null; status: number; message: string }
export interface EndpointStats { versions: VersionStats[]; unserved: number; failures: Failed[] }
export interface Happened { at_ms: number; kind: string; route: string | null; model: string | null; version: string | null; note: string | null; user: string | null }
export interface Endpoint {
  health: string; requests_per_s: number; minute_latency_ms: Quantiles; model_bytes: number; routes: Route[]; sticky: { by: string; name?: string } | null; canary: Canary | null;
  name: string; model: string; state: string; model_name: string | null; version: string | number | null; error: string | null; loaded_at: string | null;
  requests: number; errors: number; latency_ms: { p50: number | null; p95: number | null; p99: number | null } | null;
  inputs: Tensor[]; outputs: Tensor[]; url_path: string; signature?: unknown; input_example?: unknown;
}

export interface ServedAt {
  endpoint: string; route: string; uri: string; warm: boolean; weight: number; share: number; match: { header: string; value: string } | null; shadow: boolean; state: string;
  loaded_ms: number; load_ms: number; bytes: number;
}
/** What serving says of a version; a model in Python has an environment in place of operators. */
export interface VersionServing {
  runs_in?: "engine" | "python"; refused?: string | null; producer?: string; opsets?: Record<string, number>; operators?: { domain: string; name: string; nodes: number; known: boolean }[];
  inputs?: Tensor[]; outputs?: Tensor[]; signature?: { inputs?: unknown; outputs?: unknown; params?: unknown } | null; venv?: string; bytes?: number; load_ms?: number;
  example?: { ok: boolean; note: string } | null; served: ServedAt[];
}

/** The first row of an explanation is the only one the UI asks for. */
export interface Explanation {
  explanations: { values: number[]; attributions: Record<string, number[]> }[]; base_values: number[]; output_names: string[];
  /** There is no background where the trees' own counts of training rows took its place. */
  parameters: { method: string; explained: string; background?: string; background_rows?: number; samples?: number; seed?: number };
}

export const me = () => ask<Me>(`${V1}/me`);
export const status = () => ask<Status>(`${V1}/status`);
export const backups = () => ask<Backups>(`${V1}/backups`);
export const backupBegin = () => ask<BackupBegun>(`${V1}/backups`, { json: {} });
export const signOut = () => ask<void>(`${V1}/session`, { method: "DELETE" });

let env: Promise<ClientEnv> | undefined;
/** The addresses that clients use; asked once. */
export const clientEnv = () =>
  (env ??= ask<ClientEnv>(`${V1}/client-env`).catch((error) => {
    env = undefined;
    throw error;
  }));

export const users = async () => (await ask<{ users: User[] }>(`${V1}/users`)).users;
export const userCreate = (json: { name: string; password?: string; role: Role; email?: string; display_name?: string }) => ask(`${V1}/users`, { json });
export const userChange = (name: string, json: { password?: string; role?: Role; email?: string; display_name?: string }) => ask(`${V1}/users/${enc(name)}`, { method: "PATCH", json });
export const userDelete = (name: string) => ask(`${V1}/users/${enc(name)}`, { method: "DELETE" });
export const tokens = async () => (await ask<{ tokens: Token[] }>(`${V1}/tokens`)).tokens;
export const tokenCreate = (json: { label: string; ttl_s?: number }) => ask<{ token: string }>(`${V1}/tokens`, { json });
export const tokenDelete = (id: string) => ask(`${V1}/tokens/${enc(id)}`, { method: "DELETE" });
export const s3Keys = async () => (await ask<{ keys: S3Key[] }>(`${V1}/s3-keys`)).keys;
export const s3KeyCreate = (json: { label: string; user?: string }) => ask<{ access_key_id: string; secret_access_key: string }>(`${V1}/s3-keys`, { json });
export const s3KeyDelete = (id: string) => ask(`${V1}/s3-keys/${enc(id)}`, { method: "DELETE" });

export const pipelines = async () => (await ask<{ pipelines: Pipeline[] }>(`${V1}/pipelines`)).pipelines;
export const pipelineSources = async () => (await ask<{ sources: PipeSource[] }>(`${V1}/pipeline-sources`)).sources;
export const pipeline = (name: string) => ask<Pipeline>(`${V1}/pipelines/${enc(name)}`);
export const pipelinePut = (name: string, text: string) => ask<Pipeline>(`${V1}/pipelines/${enc(name)}`, { method: "PUT", text });
export const pipelineDelete = (name: string) => ask(`${V1}/pipelines/${enc(name)}`, { method: "DELETE" });
export const pipelinePause = (name: string, paused: boolean) =>
  ask(`${V1}/pipelines/${enc(name)}/${paused ? "pause" : "unpause"}`, { method: "POST" });
export const pipelineRun = (name: string, params: Record<string, unknown>) => ask<PipeRun>(`${V1}/pipelines/${enc(name)}/runs`, { json: { params } });
export const pipelineRuns = async (name: string, before?: string) =>
  (await ask<{ runs: PipeRun[] }>(`${V1}/pipelines/${enc(name)}/runs`, { query: { limit: 50, before } })).runs;
export const pipelineValidate = (text: string) =>
  ask<{ ok: boolean; errors: { message: string; line: number | null; column: number | null }[] }>(`${V1}/pipelines/validate`, { method: "POST", text });
export const pipeRun = (id: string) => ask<PipeRun>(`${V1}/pipeline-runs/${enc(id)}`);
export const pipeRunCancel = (id: string) => ask(`${V1}/pipeline-runs/${enc(id)}/cancel`, { method: "POST" });
export const pipeRunClear = (id: string, json: { tasks: string[]; downstream?: boolean; only_failed?: boolean; latest?: boolean; dry_run?: boolean }) =>
  ask<PipeRun & { cleared: string[] }>(`${V1}/pipeline-runs/${enc(id)}/clear`, { json });
export const pipeRunMark = (id: string, tasks: string[], state: "success" | "failed") => ask<PipeRun>(`${V1}/pipeline-runs/${enc(id)}/mark`, { json: { tasks, state } });
export const pipelineBackfill = async (name: string, json: { from: string; until: string; dry_run: boolean }) =>
  (await ask<{ runs: { logical_at: string; run_id: string | null; exists: boolean }[] }>(`${V1}/pipelines/${enc(name)}/backfill`, { json })).runs;
export const pipelineCalendar = (name: string, month?: string) => ask<Calendar>(`${V1}/pipelines/${enc(name)}/calendar`, { query: { month } });
export const taskAttempts = async (id: string, task: string) =>
  (await ask<{ attempts: Attempt[] }>(`${V1}/pipeline-runs/${enc(id)}/tasks/${enc(task)}/attempts`)).attempts;
export const taskLogSearch = (id: string, task: string, attempt: number, q: string) =>
  ask<Found>(`${V1}/pipeline-runs/${enc(id)}/tasks/${enc(task)}/log/search`, { query: { attempt, q } });
export const taskLogUrl = (id: string, task: string, attempt: number) =>
  withQuery(`${V1}/pipeline-runs/${enc(id)}/tasks/${enc(task)}/log/stream`, { attempt });
export const taskLog = (id: string, task: string, attempt: number, offset: number) =>
  ask<{ text: string; next_offset: number; done: boolean }>(`${V1}/pipeline-runs/${enc(id)}/tasks/${enc(task)}/log`, { query: { attempt, offset } });

export const endpoints = async () => (await ask<{ endpoints: Endpoint[] }>(`${V1}/endpoints`)).endpoints;
export const endpoint = (name: string) => ask<Endpoint>(`${V1}/endpoints/${enc(name)}`);
export const versionServing = (name: string, version: string) => ask<VersionServing>(`${V1}/models/${enc(name)}/versions/${enc(version)}/serving`);
export const endpointPut = (name: string, model: string) => ask<Endpoint>(`${V1}/endpoints/${enc(name)}`, { method: "PUT", json: { model } });
export const endpointPatch = (name: string, json: unknown) => ask<Endpoint>(`${V1}/endpoints/${enc(name)}`, { method: "PATCH", json });
export const endpointSplit = (name: string, weights: Record<string, number>) => ask<Endpoint>(`${V1}/endpoints/${enc(name)}/split`, { method: "PUT", json: { weights } });
export const endpointRollback = (name: string) => ask<Endpoint>(`${V1}/endpoints/${enc(name)}/rollback`, { method: "POST", json: {} });
export const endpointStats = (name: string) => ask<EndpointStats>(`${V1}/endpoints/${enc(name)}/stats`);
export const endpointHistory = async (name: string) => (await ask<{ history: Happened[] }>(`${V1}/endpoints/${enc(name)}/history`)).history;
export const canaryBegin = (name: string, json: unknown) => ask<Canary>(`${V1}/endpoints/${enc(name)}/canary`, { json });
export const canaryPromote = (name: string) => ask<Canary>(`${V1}/endpoints/${enc(name)}/canary/promote`, { method: "POST" });
export const canaryStop = (name: string) => ask<Canary>(`${V1}/endpoints/${enc(name)}/canary`, { method: "DELETE" });
export const endpointDelete = (name: string) => ask(`${V1}/endpoints/${enc(name)}`, { method: "DELETE" });
/** Why a version of an endpoint's model answers as it does: the one that answered, where several share the traffic. */
export const explain = (name: string, version: string, json: unknown) =>
  ask<Explanation>(`/v1/models/${enc(name)}/versions/${enc(version)}:explain`, { method: "POST", json });
/** An answer, and the version that gave it. */
export async function invoke(name: string, json: unknown) {
  const response = await send(`/endpoints/${enc(name)}/invocations`, { method: "POST", json });
  return { body: (await response.json()) as unknown, version: response.headers.get("x-crannog-model-version") ?? "" };
}
