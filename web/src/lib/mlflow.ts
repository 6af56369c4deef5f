// MLflow's REST as its own client speaks it, under /ajax-api: tracking and the model registry.
import { ask, withQuery } from "./api";
import { keyPath } from "./router";

const API = "/ajax-api/2.0/mlflow";

export interface KeyValue { key: string; value: string }
export interface Experiment {
  experiment_id: string; name: string; artifact_location?: string; lifecycle_stage: string;
  creation_time?: number | string; last_update_time?: number | string; tags?: KeyValue[];
}
export interface Metric { key: string; value: number | string; timestamp: number | string; step: number | string }
export interface RunInfo {
  run_id: string; run_name?: string; experiment_id: string; user_id?: string; status: string;
  start_time?: number | string; end_time?: number | string; artifact_uri?: string; lifecycle_stage: string;
}
export interface Dataset { name: string; digest: string; source_type: string; source: string; schema?: string; profile?: string }
export interface Run {
  info: RunInfo;
  data: { metrics?: Metric[]; params?: KeyValue[]; tags?: KeyValue[] };
  inputs?: { dataset_inputs?: { dataset: Dataset; tags?: KeyValue[] }[]; model_inputs?: { model_id: string }[] };
  outputs?: { model_outputs?: { model_id: string; step?: number }[] };
}
export interface Artifact { path: string; is_dir: boolean; file_size?: number | string }
export interface LoggedModel {
  info: {
    model_id: string; experiment_id: string; name: string; creation_timestamp_ms?: number | string; artifact_uri?: string; status?: string | number;
    model_type?: string; source_run_id?: string; tags?: KeyValue[]; registrations?: { name: string; version: string }[];
  };
  data?: { params?: KeyValue[]; metrics?: Metric[] };
}
export interface ModelVersion {
  name: string; version: string; creation_timestamp?: number | string; last_updated_timestamp?: number | string; description?: string; source?: string;
  run_id?: string; status?: string; status_message?: string; aliases?: string[]; tags?: KeyValue[]; user_id?: string; current_stage?: string; model_id?: string;
}
export interface RegisteredModel {
  name: string; creation_timestamp?: number | string; last_updated_timestamp?: number | string; description?: string;
  latest_versions?: ModelVersion[]; aliases?: { alias: string; version: string }[]; tags?: KeyValue[];
}

const post = <T>(route: string, json: unknown) => ask<T>(`${API}/${route}`, { json });
const get = <T>(route: string, query: Record<string, string | number | undefined>) => ask<T>(`${API}/${route}`, { query });
const change = <T>(method: string, route: string, json: unknown) => ask<T>(`${API}/${route}`, { method, json });
const quote = (text: string) => `'${text.replace(/'/g, "''")}'`;

export async function experiments(filter?: string, pageToken?: string, view: "ACTIVE_ONLY" | "DELETED_ONLY" = "ACTIVE_ONLY") {
  const body = { max_results: 200, filter: filter || undefined, page_token: pageToken, order_by: ["last_update_time DESC"], view_type: view };
  const answer = await post<{ experiments?: Experiment[]; next_page_token?: string }>("experiments/search", body);
  return { experiments: answer.experiments ?? [], next: answer.next_page_token };
}
export const experiment = async (id: string) => (await get<{ experiment: Experiment }>("experiments/get", { experiment_id: id })).experiment;
export const experimentCreate = (name: string) => post<{ experiment_id: string }>("experiments/create", { name });
export const experimentRestore = (id: string) => post("experiments/restore", { experiment_id: id });
export const experimentDelete = (id: string) => post("experiments/delete", { experiment_id: id });
export const experimentTag = (id: string, key: string, value: string) => post("experiments/set-experiment-tag", { experiment_id: id, key, value });
export const experimentTagDelete = (id: string, key: string) => post("experiments/delete-experiment-tag", { experiment_id: id, key });
export const experimentRename = (id: string, name: string) => post("experiments/update", { experiment_id: id, new_name: name });

export interface RunQuery { ids: string[]; filter?: string; order?: string; max?: number; pageToken?: string; view?: "ACTIVE_ONLY" | "DELETED_ONLY" }
export async function runs(query: RunQuery) {
  const answer = await post<{ runs?: Run[]; next_page_token?: string }>("runs/search", {
    experiment_ids: query.ids,
    filter: query.filter || undefined,
    order_by: query.order ? [query.order] : undefined,
    max_results: query.max ?? 100,
    page_token: query.pageToken,
    run_view_type: query.view ?? "ACTIVE_ONLY",
  });
  return { runs: answer.runs ?? [], next: answer.next_page_token };
}
export async function runCount(query: RunQuery) {
  const answer = await post<{ count?: number }>("runs/count", { experiment_ids: query.ids, filter: query.filter || undefined, run_view_type: query.view ?? "ACTIVE_ONLY" });
  return answer.count ?? 0;
}
export const run = async (id: string) => (await get<{ run: Run }>("runs/get", { run_id: id })).run;
export const runDelete = (id: string) => post("runs/delete", { run_id: id });
export const runRestore = (id: string) => post("runs/restore", { run_id: id });
export const runRename = (id: string, run_name: string) => post("runs/update", { run_id: id, run_name });
export const runTag = (id: string, key: string, value: string) => post("runs/set-tag", { run_id: id, key, value });
export const runTagDelete = (id: string, key: string) => post("runs/delete-tag", { run_id: id, key });

/** Points of one curve that are asked for; a chart has no room for more. */
const SAMPLES = 2_000;
/** Runs that one question about histories may name. */
const RUNS_AT_ONCE = 100;

/** The histories of one metric in several runs, thinned by the server where they are long. */
export async function sampled(runIds: string[], key: string) {
  const found = new Map<string, Metric[]>();
  for (let at = 0; at < runIds.length; at += RUNS_AT_ONCE) {
    const query = new URLSearchParams([...runIds.slice(at, at + RUNS_AT_ONCE).map((id) => ["run_ids", id]), ["metric_key", key], ["max_results", String(SAMPLES)]]);
    const { metrics = [] } = await ask<{ metrics?: (Metric & { run_id: string })[] }>(`${API}/metrics/get-history-bulk-interval?${query}`);
    for (const point of metrics) {
      const known = found.get(point.run_id);
      if (known) known.push(point);
      else found.set(point.run_id, [point]);
    }
  }
  return found;
}

export async function artifacts(runId: string, path: string) {
  const answer = await get<{ files?: Artifact[]; root_uri?: string }>("artifacts/list", { run_id: runId, path });
  return answer.files ?? [];
}
/** Where the proxy serves one artifact of something whose artifacts live at `uri`. */
export const artifactUrl = (uri: string, path: string) => {
  const root = uri.replace(/^mlflow-artifacts:\/*/, "").replace(/\/+$/, "");
  return `/ajax-api/2.0/mlflow-artifacts/artifacts/${keyPath(`${root}/${path}`)}`;
};

export async function loggedModels(experimentIds: string[], filter?: string) {
  const body = { experiment_ids: experimentIds, filter, max_results: 50 };
  return (await post<{ models?: LoggedModel[] }>("logged-models/search", body)).models ?? [];
}
export const loggedModel = async (id: string) => (await get<{ model: LoggedModel }>(`logged-models/${encodeURIComponent(id)}`, {})).model;

export async function modelsPage(filter?: string, pageToken?: string) {
  const answer = await get<{ registered_models?: RegisteredModel[]; next_page_token?: string }>("registered-models/search", { filter, max_results: 200, page_token: pageToken });
  return { rows: answer.registered_models ?? [], next: answer.next_page_token || undefined };
}
export const models = async (filter?: string) => (await modelsPage(filter)).rows;
/** A search for a part of a name, whatever its case. */
export const nameHas = (text: string) => (text ? `name ILIKE ${quote(`%${text}%`)}` : undefined);
export const model = async (name: string) => (await get<{ registered_model: RegisteredModel }>("registered-models/get", { name })).registered_model;
export const modelCreate = (name: string, description?: string) => post("registered-models/create", { name, description });
export const modelDescribe = (name: string, description: string) => change("PATCH", "registered-models/update", { name, description });
export const modelTag = (name: string, key: string, value: string) => post("registered-models/set-tag", { name, key, value });
export const modelTagDelete = (name: string, key: string) => change("DELETE", "registered-models/delete-tag", { name, key });
export const modelDelete = (name: string) => change("DELETE", "registered-models/delete", { name });
/** Makes a version of `name` from a logged model; the name is registered first where it is new. */
export async function register(name: string, of: LoggedModel["info"]) {
  const known = await models(`name = ${quote(name)}`);
  if (!known.some((m) => m.name === name)) await modelCreate(name);
  const body = { name, source: `models:/${of.model_id}`, run_id: of.source_run_id, model_id: of.model_id };
  return (await post<{ model_version: ModelVersion }>("model-versions/create", body)).model_version;
}
export async function versions(name: string) {
  const query = { filter: `name=${quote(name)}`, max_results: 200, order_by: undefined };
  const found = (await get<{ model_versions?: ModelVersion[] }>("model-versions/search", query)).model_versions ?? [];
  return found.sort((a, b) => Number(b.version) - Number(a.version));
}
export const version = async (name: string, v: string) => (await get<{ model_version: ModelVersion }>("model-versions/get", { name, version: v })).model_version;
/** The registered versions that came from a run. */
export async function versionsOf(runId: string) {
  return (await get<{ model_versions?: ModelVersion[] }>("model-versions/search", { filter: `run_id=${quote(runId)}`, max_results: 50 })).model_versions ?? [];
}
export const versionDelete = (name: string, version: string) => change("DELETE", "model-versions/delete", { name, version });
export const versionDescribe = (name: string, version: string, description: string) => change("PATCH", "model-versions/update", { name, version, description });
export const versionTag = (name: string, version: string, key: string, value: string) => post("model-versions/set-tag", { name, version, key, value });
export const versionTagDelete = (name: string, version: string, key: string) => change("DELETE", "model-versions/delete-tag", { name, version, key });
export const aliasSet = (name: string, alias: string, version: string) => post("registered-models/alias", { name, alias, version });
export const aliasDelete = (name: string, alias: string) => change("DELETE", "registered-models/alias", { name, alias });
export const versionDownload = (name: string, version: string) =>
  ask<{ artifact_uri: string }>(withQuery(`${API}/model-versions/get-download-uri`, { name, version }));

export const tagOf = (tags: KeyValue[] | undefined, key: string) => tags?.find((tag) => tag.key === key)?.value;
export const userTags = (tags: KeyValue[] | undefined) => (tags ?? []).filter((tag) => !tag.key.startsWith("mlflow."));
