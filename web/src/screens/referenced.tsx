// Who refers to an object: MLflow's artifacts are ordinary objects of bucket `mlflow`, and their keys say whose.
import type { ComponentChildren } from "preact";
import * as api from "../lib/crannog";
import * as ml from "../lib/mlflow";
import { path } from "../lib/router";
import { useLoad } from "../lib/use";
import { Skeleton } from "../parts/basics";
import { Icon, type IconName } from "../parts/icon";

const RUN = /^([^/]+)\/([0-9a-f]{32})\/artifacts\//;
const MODEL = /^([^/]+)\/models\/(m-[0-9a-f]{32})\/artifacts\//;

interface Reference { icon: IconName; kind: string; href: string; label: ComponentChildren }

export function ReferencedBy({ bucket, name }: { bucket: string; name: string }) {
  const found = useLoad(() => (bucket === "mlflow" ? references(name) : Promise.resolve([])), [bucket, name]);
  if (bucket !== "mlflow") return null;
  return (
    <section class="facts-section">
      <header><h3>Referenced by</h3></header>
      {!found.data && !found.error && <Skeleton rows={2} />}
      {found.error && <p class="muted">Whoever it belonged to is not known any more.</p>}
      {found.data?.length === 0 && <p class="muted">No run or model refers to it.</p>}
      {found.data && found.data.length > 0 && <ul class="references">{found.data.map((r) => <li key={r.href + r.kind}><Icon name={r.icon} /><span class="muted">{r.kind}</span><a href={r.href}>{r.label}</a></li>)}</ul>}
    </section>
  );
}

async function references(name: string): Promise<Reference[]> {
  const [, , modelId] = MODEL.exec(name) ?? [];
  const [, , runOfKey] = RUN.exec(name) ?? [];
  if (!modelId && !runOfKey) return [];
  const logged = modelId ? (await ml.loggedModel(modelId)).info : undefined;
  const runId = logged?.source_run_id || runOfKey;
  const run = runId ? await ml.run(runId) : undefined;
  const experimentId = run?.info.experiment_id ?? logged?.experiment_id;
  const [experiment, versions, endpoints] = await Promise.all([experimentId ? ml.experiment(experimentId) : undefined, runId ? ml.versionsOf(runId) : [], api.endpoints()]);
  const mine = versions.filter((v) => (modelId ? !v.model_id || v.model_id === modelId : uses(v, name)));
  const all: (Reference | undefined)[] = [
    experiment && { icon: "flask", kind: "Experiment", href: path("experiments", experiment.experiment_id), label: experiment.name },
    run && { icon: "chart", kind: "Run", href: path("runs", run.info.run_id), label: run.info.run_name || run.info.run_id },
    logged && { icon: "cube", kind: "Logged model", href: path("runs", runId ?? ""), label: logged.name },
    ...mine.map((v): Reference => ({ icon: "cube", kind: "Model", href: path("models", v.name, "versions", v.version), label: `${v.name} version ${v.version}` })),
    ...endpoints.filter((e) => mine.some((v) => e.model_name === v.name && String(e.version) === v.version)).map((e): Reference => ({ icon: "bolt", kind: "Endpoint", href: path("endpoints", e.name), label: e.name })),
  ];
  return all.filter((r) => r !== undefined);
}

/** Whether a version made from a run's artifacts has this one among its files. */
function uses(version: ml.ModelVersion, name: string): boolean {
  const [, inside = ""] = name.split("/artifacts/");
  const [, source = ""] = (version.source ?? "").split(/\/artifacts\/|^runs:\/[0-9a-f]{32}\//);
  return source === "" || inside.startsWith(source);
}
