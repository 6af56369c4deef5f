// One run: overview, metrics, artifacts, models.
import { useState } from "preact/hooks";
import { tookOf } from "../lib/fields";
import { duration, number } from "../lib/format";
import * as ml from "../lib/mlflow";
import { go, path, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Facts, Id, Page, Problem, Skeleton, Tabs, Tags, Time } from "../parts/basics";
import { type Addresses, UseFromCode } from "../parts/code";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Markdown } from "../parts/markdown";
import { DescribeModal, TagsModal } from "../parts/pairs";
import { Status } from "../parts/status";
import { Artifacts } from "./artifacts";
import { MetricCharts } from "./metrics";
import { Children, Datasets } from "./run-inputs";
import { Models } from "./run-models";

export function RunScreen({ id }: { id: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"rename" | "delete" | "note" | "tags">();
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
      {tab === "overview" && <Overview run={run} metrics={metrics} edit={edit && !deleted ? setDialog : undefined} />}
      {tab === "metrics" && (metrics.length ? <MetricCharts runId={id} metrics={metrics} /> : <Card><Empty kind="start" icon="chart" title="This run has no metrics"><p><code>mlflow.log_metric("loss", 0.3, step=1)</code> draws a curve here.</p></Empty></Card>)}
      {tab === "artifacts" && <Artifacts runId={id} uri={info.artifact_uri ?? ""} path={query.get("path") ?? ""} />}
      {tab === "models" && <Models run={run} />}
      {dialog === "rename" && <Rename value={name} close={close} after={loaded.reload} save={(value) => ml.runRename(id, value)} />}
      {dialog === "note" && <DescribeModal title="Describe the run" value={ml.tagOf(data.tags, "mlflow.note.content") ?? ""} close={close} after={loaded.reload} save={(value) => ml.runTag(id, "mlflow.note.content", value)} />}
      {dialog === "tags" && <TagsModal title="Tags of the run" tags={ml.userTags(data.tags)} close={close} after={loaded.reload} set={(key, value) => ml.runTag(id, key, value)} drop={(key) => ml.runTagDelete(id, key)} />}
      {dialog === "delete" && (
        <Confirm title="Delete the run" submit="Delete" close={close} save={() => ml.runDelete(id)} after={() => go(path("experiments", info.experiment_id))}>
          <p><b>{name}</b> with its {metrics.length} metrics and {data.params?.length ?? 0} params leaves every list. It can be restored from this address.</p>
        </Confirm>
      )}
    </Page>
  );
}

function Overview({ run, metrics, edit }: { run: ml.Run; metrics: ml.Metric[]; edit?: (what: "note" | "tags") => void }) {
  const { info, data } = run;
  const tag = (key: string) => ml.tagOf(data.tags, key);
  const took = tookOf(run);
  const [text, source, commit, parent] = ["mlflow.note.content", "mlflow.source.name", "mlflow.source.git.commit", "mlflow.parentRunId"].map(tag);
  const outer = useLoad(async () => (parent ? ml.run(parent) : undefined), [parent]);
  const pencil = (what: "note" | "tags", label: string) => edit && <button type="button" class="icon-btn" aria-label={label} onClick={() => edit(what)}><Icon name="edit" size={14} /></button>;
  return (
    <>
      <Card>
        <Facts items={[
          ["Run id", <Id id={info.run_id} />],
          ["Started", <Time at={info.start_time} />],
          ["Took", took === null ? "–" : duration(took)],
          ["User", tag("mlflow.user") ?? info.user_id ?? "–"],
          source ? ["Source", <code class="cut" title={source}>{source}</code>] : null,
          commit ? ["Commit", <code title={commit}>{commit.slice(0, 10)}</code>] : null,
          parent ? ["Inside", <a href={path("runs", parent)}>{outer.data?.info.run_name ?? <code>{parent.slice(0, 8)}</code>}</a>] : null,
          ["Tags", <span class="with-edit"><Tags tags={ml.userTags(data.tags)} />{pencil("tags", "Edit the tags")}</span>],
          text ? null : ["Description", <span><span class="muted">none</span>{pencil("note", "Edit the description")}</span>],
        ]} />
        {text && <div class="described"><Markdown text={text} />{pencil("note", "Edit the description")}</div>}
      </Card>
      <Datasets run={run} />
      <Children of={run} />
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

function Rename(props: { value: string; close: () => void; after: () => void; save: (value: string) => Promise<unknown> }) {
  const [value, setValue] = useState(props.value);
  return (
    <FormModal title="Rename the run" submit="Save" close={props.close} after={props.after} disabled={!value.trim()} save={() => props.save(value.trim())}>
      <Field label="Name"><input value={value} onInput={(e) => setValue(e.currentTarget.value)} autofocus /></Field>
    </FormModal>
  );
}

const snippets = (at: Addresses, id: string, metric = "loss") => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nrun = mlflow.get_run("${id}")\nprint(run.data.metrics, run.data.params)\n\nclient = mlflow.MlflowClient()\nfor point in client.get_metric_history("${id}", "${metric}"):\n    print(point.step, point.value)` },
  { label: "Artifacts", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\npath = mlflow.artifacts.download_artifacts(run_id="${id}")` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/2.0/mlflow/runs/get?run_id=${id}"` },
];
