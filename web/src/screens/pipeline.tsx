// One pipeline: its graph, its runs, its definition.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { duration, millis, plural } from "../lib/format";
import { go, path, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction, useLoad } from "../lib/use";
import { Card, Empty, Facts, Id, Page, Problem, Skeleton, Tabs, Time } from "../parts/basics";
import { type Addresses, CA, CodeBlock, UseFromCode } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { Graph } from "../parts/graph";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Table } from "../parts/table";
import { PipelineCalendar } from "./pipeline-calendar";
import { Backfill, EditPipeline, RunNow } from "./pipeline-dialogs";

export function PipelineScreen({ name }: { name: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"run" | "edit" | "delete" | "backfill">();
  const loaded = useLoad(() => api.pipeline(name), [name], 4_000);
  const runs = useLoad(() => api.pipelineRuns(name), [name], 3_000);
  const pause = useAction();
  const tab = query.get("tab") ?? "runs";
  const p = loaded.data;
  const close = () => setDialog(undefined);
  return (
    <Page
      title={name} heading={<>{name}{p && <Status state={p.error ? "broken" : p.paused ? "paused" : "active"} />}</>} crumbs={[{ label: "Pipelines", href: "/pipelines" }]} lead={p?.description}
      actions={p && <>
        <UseFromCode snippets={(at) => snippets(at, name)} />
        {edit && <>
          <button type="button" class="btn" disabled={pause.busy} onClick={() => void pause.act(() => api.pipelinePause(name, !p.paused), loaded.reload)}><Icon name={p.paused ? "play" : "pause"} />{p.paused ? "Resume" : "Pause"}</button>
          {p.schedule && <button type="button" class="btn" disabled={!!p.error} onClick={() => setDialog("backfill")}><Icon name="clock" />Backfill</button>}
          <button type="button" class="btn" onClick={() => setDialog("edit")}><Icon name="edit" />Edit</button>
          <button type="button" class="btn quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>
          <button type="button" class="btn primary" disabled={!p.tasks.length} onClick={() => setDialog("run")}><Icon name="play" />Run now</button>
        </>}
      </>}
    >
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      {pause.error && <Problem error={pause.error} />}
      {p?.error && <div class="problem"><Icon name="warn" /><div><p>{p.error}</p><p class="request-id">{p.tasks.length > 0 ? "The version before stays, and runs." : "The pipeline does not run until its definition is mended."}</p></div></div>}
      {!p && !loaded.error && <Card><Skeleton /></Card>}
      {p && (
        <Card>
          <Facts items={[["Schedule", p.schedule ? <>{p.schedule_text ?? ""} <code>{p.schedule}</code></> : "on demand"], !!p.schedule && ["Time zone", p.timezone ?? "UTC"], ["Next run", p.paused ? "paused" : <Time at={p.next_run_at} />], ["Source", p.source ?? "–"], !!p.commit && ["Commit", <Id id={p.commit} />], ["Tasks", String(p.tasks.length)]]} />
          {p.tasks.length > 0 && <Graph nodes={p.tasks} />}
        </Card>
      )}
      <Tabs current={tab} href={(to) => path("pipelines", name) + (to === "runs" ? "" : `?tab=${to}`)} tabs={[{ id: "runs", label: "Runs" }, { id: "calendar", label: "Calendar" }, { id: "definition", label: "Definition" }]} />
      {tab === "definition" ? <Card>{p?.definition ? <CodeBlock code={p.definition} /> : <Skeleton />}</Card> : tab === "calendar" ? <PipelineCalendar name={name} /> : <Runs list={runs} name={name} />}
      {dialog === "run" && p && <RunNow pipeline={p} close={close} />}
      {dialog === "backfill" && <Backfill name={name} close={close} after={runs.reload} />}
      {dialog === "edit" && p && <EditPipeline pipeline={p} close={close} after={loaded.reload} />}
      {dialog === "delete" && (
        <Confirm title="Delete the pipeline" submit="Delete" type={name} close={close} save={() => api.pipelineDelete(name)} after={() => go("/pipelines")}>
          <p><b>{name}</b>, its schedule and the record of its {plural(runs.data?.length ?? 0, "run")} are removed. What its tasks wrote stays.</p>
        </Confirm>
      )}
    </Page>
  );
}

function Runs({ list, name }: { list: ReturnType<typeof useLoad<api.PipeRun[]>>; name: string }) {
  const rows = list.data;
  const took = (run: api.PipeRun) => {
    const start = millis(run.started_at);
    return start === null ? "–" : duration((millis(run.ended_at) ?? Date.now()) - start);
  };
  return (
    <Card flush>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
      {rows?.length === 0 && <Empty kind="start" icon="play" title="It has not run yet"><p>Press “Run now”, or from a shell:</p><CodeBlock code={`crannog pipeline run ${name}`} /></Empty>}
      {rows && rows.length > 0 && (
        <Table
          label="Pipeline runs" rows={rows} rowKey={(run) => run.id} href={(run) => path("pipeline-runs", run.id)}
          columns={[
            { id: "state", head: "State", cell: (run) => <Status state={run.state} /> },
            { id: "id", head: "Run", cell: (run) => <a class="strong" href={path("pipeline-runs", run.id)}><code>{run.id}</code></a> },
            { id: "why", head: "Started by", cell: (run) => (run.trigger === "schedule" ? <span title={run.logical_at ?? undefined}>schedule</span> : run.trigger) },
            { id: "start", head: "Started", cell: (run) => <Time at={run.started_at ?? run.created_at} /> },
            { id: "took", head: "Took", class: "num", cell: took },
            { id: "params", head: "Params", class: "wide-only", cell: (run) => <span class="cut mono muted">{Object.entries(run.params ?? {}).map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`).join(" ") || "–"}</span> },
          ]}
        />
      )}
    </Card>
  );
}

const snippets = (at: Addresses, name: string) => [
  { label: "CLI", code: `export CRANNOG_URL=${at.http}\ncrannog pipeline run ${name}` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  -H 'content-type: application/json' -d '{"params": {}}' \\\n  ${at.http}/api/crannog/v1/pipelines/${encodeURIComponent(name)}/runs` },
  { label: "Python", code: `import os, requests\n\nauth = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])\nrun = requests.post("${at.http}/api/crannog/v1/pipelines/${encodeURIComponent(name)}/runs", json={"params": {}}, auth=auth${at.ca ? `, verify=${CA}` : ""}).json()\nprint(run["id"], run["state"])` },
];
