// One run: overview, metrics, artifacts, models.
import { useState } from "preact/hooks";
import { duration, millis, number } from "../lib/format";
import * as ml from "../lib/mlflow";
import { go, keyPath, path, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Facts, Id, Page, Problem, Skeleton, Tabs, Tags, Time } from "../parts/basics";
import { UseFromCode } from "../parts/code";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Artifacts } from "./artifacts";
import { MetricCharts } from "./metrics";

export function RunScreen({ id }: { id: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"rename" | "delete" | "note">();
  const loaded = useLoad(() => ml.run(id), [id], (run) => (run && run.info.status !== "RUNNING" ? undefined : 3_000));
  const run = loaded.data;
  const experiment = useLoad(async () => (run ? ml.experiment(run.info.experiment_id) : undefined), [run?.info.experiment_id]);
  const tab = query.get("tab") ?? "overview";
  if (!run) return <Page title="Run" crumbs={[{ label: "Experiments", href: "/experiments" }]}>{loaded.error ? <Problem error={loaded.error} retry={loaded.reload} /> : <Card><Skeleton rows={8} /></Card>}</Page>;
  const { info, data } = run;
  const name = info.run_name || info.run_id;
  const metrics = [...(data.metrics ?? [])].sort((a, b) => a.key.localeCompare(b.key));
  const deleted = info.lifecycle_stage === "deleted";
  const close = () => setDialog(undefined);
  return (
    <Page
      title={name}
      heading={<>{name}<Status state={deleted ? "deleted" : info.status} /></>}
      crumbs={[{ label: "Experiments", href: "/experiments" }, { label: experiment.data?.name ?? "…", href: path("experiments", info.experiment_id) }]}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, info.run_id, metrics[0]?.key)} />
        {edit && !deleted && <button type="button" class="btn" onClick={() => setDialog("rename")}><Icon name="edit" />Rename</button>}
        {edit && (deleted
          ? <button type="button" class="btn" onClick={() => void ml.runRestore(id).then(loaded.reload)}>Restore</button>
          : <button type="button" class="btn quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>)}
      </>}
    >
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      <Tabs
        current={tab} href={(to) => path("runs", id) + (to === "overview" ? "" : `?tab=${to}`)}
        tabs={[{ id: "overview", label: "Overview" }, { id: "metrics", label: "Metrics", count: metrics.length }, { id: "artifacts", label: "Artifacts" }, { id: "models", label: "Models" }]}
      />
      {tab === "overview" && <Overview run={run} metrics={metrics} note={edit ? () => setDialog("note") : undefined} />}
      {tab === "metrics" && (metrics.length ? <MetricCharts runId={id} metrics={metrics} /> : <Card><Empty kind="start" icon="chart" title="This run has no metrics"><p><code>mlflow.log_metric("loss", 0.3, step=1)</code> draws a curve here.</p></Empty></Card>)}
      {tab === "artifacts" && <Artifacts runId={id} uri={info.artifact_uri ?? ""} path={query.get("path") ?? ""} />}
      {tab === "models" && <Models run={run} />}
      {dialog === "rename" && <Edit title="Rename the run" label="Name" value={name} close={close} after={loaded.reload} save={(value) => ml.runRename(id, value)} />}
      {dialog === "note" && <Edit title="Describe the run" label="Description" long value={ml.tagOf(data.tags, "mlflow.note.content") ?? ""} close={close} after={loaded.reload} save={(value) => ml.runTag(id, "mlflow.note.content", value)} />}
      {dialog === "delete" && (
        <Confirm title="Delete the run" submit="Delete" close={close} save={() => ml.runDelete(id)} after={() => go(path("experiments", info.experiment_id))}>
          <p><b>{name}</b> with its {metrics.length} metrics and {data.params?.length ?? 0} params leaves every list. It can be restored from this address.</p>
        </Confirm>
      )}
    </Page>
  );
}

function Overview({ run, metrics, note }: { run: ml.Run; metrics: ml.Metric[]; note?: () => void }) {
  const { info, data } = run;
  const start = millis(info.start_time);
  const text = ml.tagOf(data.tags, "mlflow.note.content");
  const source = ml.tagOf(data.tags, "mlflow.source.name");
  const datasets = run.inputs?.dataset_inputs ?? [];
  return (
    <>
      <Card>
        <Facts items={[
          ["Run id", <Id id={info.run_id} />],
          ["Started", <Time at={info.start_time} />],
          ["Took", start === null ? "–" : duration((millis(info.end_time) ?? Date.now()) - start)],
          ["User", ml.tagOf(data.tags, "mlflow.user") ?? info.user_id ?? "–"],
          source ? ["Source", <code class="cut" title={source}>{source}</code>] : null,
          datasets.length > 0 && ["Datasets", datasets.map(({ dataset }) => <span class="tag" key={dataset.digest}><b>{dataset.name}</b><span>{dataset.digest}</span></span>)],
          ["Tags", <Tags tags={ml.userTags(data.tags)} />],
          ["Description", <span>{text || <span class="muted">none</span>}{note && <button type="button" class="icon-btn" aria-label="Edit the description" onClick={note}><Icon name="edit" size={14} /></button>}</span>],
        ]} />
      </Card>
      <div class="two">
        <Pairs title="Metrics" rows={metrics.map((m) => [m.key, number(m.value), String(m.value)])} none="No metrics" href={path("runs", info.run_id) + "?tab=metrics"} num />
        <Pairs title="Params" rows={[...(data.params ?? [])].sort((a, b) => a.key.localeCompare(b.key)).map((p) => [p.key, p.value, p.value])} none="No params" />
      </div>
    </>
  );
}

function Pairs({ title, rows, none, href, num }: { title: string; rows: [string, string, string][]; none: string; href?: string; num?: boolean }) {
  return (
    <Card title={<>{title} <span class="count">{rows.length}</span></>} flush actions={href && rows.length > 0 ? <a class="btn small" href={href}><Icon name="chart" />Charts</a> : undefined}>
      {rows.length === 0 ? <p class="note">{none}</p> : (
        <table class="pairs"><tbody>{rows.map(([key, value, raw]) => <tr key={key}><th scope="row">{key}</th><td class={num ? "num" : "param"} title={raw}>{value}</td></tr>)}</tbody></table>
      )}
    </Card>
  );
}

function Models({ run }: { run: ml.Run }) {
  const { edit } = useMay();
  const [chosen, setChosen] = useState<ml.LoggedModel["info"]>();
  const ids = run.outputs?.model_outputs?.map((m) => m.model_id) ?? [];
  const found = useLoad(async () => {
    const byRun = await ml.loggedModels([run.info.experiment_id], `source_run_id = '${run.info.run_id}'`).catch(() => []);
    const missing = ids.filter((id) => !byRun.some((m) => m.info.model_id === id));
    return [...byRun, ...(await Promise.all(missing.map(ml.loggedModel)))].filter(Boolean);
  }, [run.info.run_id, ids.join()]);
  if (found.error) return <Problem error={found.error} retry={found.reload} />;
  if (!found.data) return <Card><Skeleton /></Card>;
  if (found.data.length === 0) return <Card><Empty kind="start" icon="cube" title="This run logged no model"><p><code>mlflow.onnx.log_model(model, name="model")</code> puts one here.</p></Empty></Card>;
  return (
    <Card flush>
      <ul class="rows">
        {found.data.map(({ info }) => (
          <li key={info.model_id}>
            <Icon name="cube" /><b>{info.name}</b><Status state={String(info.status ?? "READY")} /><Id id={info.model_id} /><span class="grow" />
            {info.registrations?.map((r) => <a key={r.name + r.version} class="tag" href={path("models", r.name)}><b>{r.name}</b><span>v{r.version}</span></a>)}
            <span class="muted"><Time at={info.creation_timestamp_ms} /></span>
            {files(info.artifact_uri) && <a class="btn small" href={files(info.artifact_uri)}><Icon name="folder" size={14} />Files</a>}
            {edit && <button type="button" class="btn small" onClick={() => setChosen(info)}>Register</button>}
          </li>
        ))}
      </ul>
      {chosen && <Register of={chosen} close={() => setChosen(undefined)} />}
    </Card>
  );
}

/** An artifact is an object in bucket `mlflow`; this is its folder's address here. */
const files = (uri: string | undefined) => (uri?.startsWith("mlflow-artifacts:/") ? `/data/mlflow/${keyPath(uri.replace(/^mlflow-artifacts:\/+/, "").replace(/\/+$/, ""))}/` : undefined);

function Register({ of, close }: { of: ml.LoggedModel["info"]; close: () => void }) {
  const [name, setName] = useState("");
  const known = useLoad(() => ml.models(), []);
  return (
    <FormModal title="Register the model" submit="Register" close={close} disabled={!name} save={async () => { await ml.register(name, of); go(path("models", name)); }}>
      <Field label="Model" hint="An existing name gets a new version; a new name is made."><input list="model-names" value={name} onInput={(e) => setName(e.currentTarget.value.trim())} autofocus /></Field>
      <datalist id="model-names">{known.data?.map((m) => <option key={m.name} value={m.name} />)}</datalist>
    </FormModal>
  );
}

function Edit(props: { title: string; label: string; value: string; long?: boolean; close: () => void; after: () => void; save: (value: string) => Promise<unknown> }) {
  const [value, setValue] = useState(props.value);
  return (
    <FormModal title={props.title} submit="Save" close={props.close} after={props.after} save={() => props.save(value.trim())}>
      <Field label={props.label}>{props.long ? <textarea rows={6} value={value} onInput={(e) => setValue(e.currentTarget.value)} /> : <input value={value} onInput={(e) => setValue(e.currentTarget.value)} autofocus />}</Field>
    </FormModal>
  );
}

const snippets = (at: { http: string }, id: string, metric = "loss") => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nrun = mlflow.get_run("${id}")\nprint(run.data.metrics, run.data.params)\n\nclient = mlflow.MlflowClient()\nfor point in client.get_metric_history("${id}", "${metric}"):\n    print(point.step, point.value)` },
  { label: "Artifacts", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\npath = mlflow.artifacts.download_artifacts(run_id="${id}")` },
  { label: "curl", code: `curl -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/2.0/mlflow/runs/get?run_id=${id}"` },
];
