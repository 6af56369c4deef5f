// One experiment: its runs with params and metrics as columns, filtered and sorted by the server.
import { useState } from "preact/hooks";
import { duration, millis, number, plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad, useSettled } from "../lib/use";
import { Card, Empty, Id, Page, Problem, Skeleton, Tabs, Time } from "../parts/basics";
import { CodeBlock, UseFromCode } from "../parts/code";
import { Confirm, Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Filter, Table, type Column } from "../parts/table";
import { CompareCharts } from "./compare";

const START = "attributes.start_time DESC";
const NO_RUNS: ml.Run[] = [];

export function ExperimentScreen({ id }: { id: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"rename" | "delete">();
  const filter = query.get("filter") ?? "";
  const settled = useSettled(filter, 350);
  const order = query.get("order") ?? START;
  const tab = query.get("tab") ?? "runs";
  const max = Number(query.get("max")) || 100;
  const info = useLoad(() => ml.experiment(id), [id]);
  const found = useLoad(() => ml.runs({ ids: [id], filter: settled, order, max }), [id, settled, order, max], 5_000);
  const runs = found.data?.runs ?? NO_RUNS;
  const name = info.data?.name ?? `Experiment ${id}`;
  const tabHref = (to: string) => {
    const next = new URLSearchParams(query);
    if (to === "runs") next.delete("tab");
    else next.set("tab", to);
    return `${path("experiments", id)}${next.size ? `?${next}` : ""}`;
  };
  return (
    <Page
      title={name}
      crumbs={[{ label: "Experiments", href: "/experiments" }]}
      lead={<span class="meta"><Id id={id} />{info.data && <span>created <Time at={info.data.creation_time} /></span>}</span>}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, name)} />
        {edit && <button type="button" class="btn" onClick={() => setDialog("rename")}><Icon name="edit" />Rename</button>}
        {edit && id !== "0" && <button type="button" class="btn quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>}
      </>}
    >
      {info.error && <Problem error={info.error} retry={info.reload} />}
      <Tabs current={tab} href={tabHref} tabs={[{ id: "runs", label: "Runs" }, { id: "charts", label: "Charts" }]} />
      <div class="toolbar">
        <Filter mono value={filter} onChange={(value) => setQuery({ filter: value })} invalid={found.error?.status === 400} label="Filter runs" placeholder={"metrics.auc > 0.8 and params.model = 'tree'"} />
        {found.data && <span class="muted">{plural(runs.length, "run")}{found.data.next ? ", more below" : ""}</span>}
      </div>
      {found.error && <Problem error={found.error} retry={found.reload} />}
      {tab === "charts" && runs.length > 0 ? <CompareCharts runs={runs} /> : (
        <Card flush>
          {!found.data && !found.error && <div class="card-body"><Skeleton /></div>}
          {found.data && runs.length === 0 && (filter
            ? <Empty kind="none" title="No run matches the filter" clear={() => setQuery({ filter: null })} />
            : <Empty kind="start" icon="flask" title="No run in this experiment yet"><p>Log one; it appears here at once.</p><CodeBlock code={`import mlflow\n\nmlflow.set_experiment("${name}")\nwith mlflow.start_run():\n    mlflow.log_metric("auc", 0.91)`} /></Empty>)}
          {runs.length > 0 && <RunsTable runs={runs} order={order} />}
          {found.data?.next && <div class="more"><button type="button" class="btn" onClick={() => setQuery({ max: String(max + 200) })}>Show more</button></div>}
        </Card>
      )}
      {dialog === "rename" && info.data && <Rename experiment={info.data} close={() => setDialog(undefined)} after={info.reload} />}
      {dialog === "delete" && (
        <Confirm title="Delete the experiment" submit="Delete" type={name} close={() => setDialog(undefined)} save={() => ml.experimentDelete(id)} after={() => go("/experiments")}>
          <p><b>{name}</b> and its {plural(runs.length, "run")}{found.data?.next ? " or more" : ""} leave every list. Files stay until they are removed for good; <code>mlflow</code> can restore the experiment.</p>
        </Confirm>
      )}
    </Page>
  );
}

function RunsTable({ runs, order }: { runs: ml.Run[]; order: string }) {
  const keys = (pick: (run: ml.Run) => { key: string }[] | undefined) => [...new Set(runs.flatMap((run) => pick(run)?.map((kv) => kv.key) ?? []))].sort();
  const quoted = (kind: string, key: string) => `${kind}.\`${key}\``;
  const metrics = keys((run) => run.data.metrics).slice(0, 12).map((key): Column<ml.Run> => ({
    id: `m.${key}`, head: key, sort: quoted("metrics", key), class: "num", cell: (run) => number(run.data.metrics?.find((m) => m.key === key)?.value),
  }));
  const params = keys((run) => run.data.params).slice(0, 12).map((key): Column<ml.Run> => ({
    id: `p.${key}`, head: key, sort: quoted("params", key), class: "param", cell: (run) => run.data.params?.find((p) => p.key === key)?.value ?? <span class="muted">–</span>,
  }));
  const took = (run: ml.Run) => {
    const start = millis(run.info.start_time);
    return start === null ? "–" : duration((millis(run.info.end_time) ?? Date.now()) - start);
  };
  return (
    <Table
      label="Runs" rows={runs} rowKey={(run) => run.info.run_id} href={(run) => path("runs", run.info.run_id)} sort={order} onSort={(next) => setQuery({ order: next === START ? null : next })}
      columns={[
        { id: "name", head: "Run", sort: "attributes.run_name", class: "pin", cell: (run) => <a class="strong" href={path("runs", run.info.run_id)}>{run.info.run_name || run.info.run_id}</a> },
        { id: "status", head: "Status", sort: "attributes.status", cell: (run) => <Status state={run.info.status} /> },
        { id: "start", head: "Started", sort: "attributes.start_time", cell: (run) => <Time at={run.info.start_time} /> },
        { id: "took", head: "Took", class: "num", cell: took },
        ...metrics,
        ...params,
        { id: "user", head: "User", class: "wide-only muted", cell: (run) => ml.tagOf(run.data.tags, "mlflow.user") ?? run.info.user_id ?? "" },
      ]}
    />
  );
}

function Rename({ experiment, close, after }: { experiment: ml.Experiment; close: () => void; after: () => void }) {
  const [name, setName] = useState(experiment.name);
  return (
    <FormModal title="Rename the experiment" submit="Rename" close={close} after={after} disabled={!name.trim()} save={() => ml.experimentRename(experiment.experiment_id, name.trim())}>
      <Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} autofocus /></Field>
    </FormModal>
  );
}

const snippets = (at: { http: string }, name: string) => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nmlflow.set_experiment("${name}")\n\nwith mlflow.start_run():\n    mlflow.log_params({"depth": 6})\n    for step in range(10):\n        mlflow.log_metric("loss", 1 / (step + 1), step=step)` },
  { label: "Search", code: `runs = mlflow.search_runs(\n    experiment_names=["${name}"],\n    filter_string="metrics.auc > 0.8",\n    order_by=["metrics.auc DESC"],\n)` },
  { label: "curl", code: `curl -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/2.0/mlflow/experiments/get-by-name?experiment_name=${encodeURIComponent(name)}"` },
];
