// One pipeline: what its definition says, its graph, its runs.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { go, path, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction, useLoad } from "../lib/use";
import { Card, Page, Problem, Skeleton, Tabs } from "../parts/basics";
import { type Addresses, CA, UseFromCode } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { DRAWN, Graph } from "../parts/graph";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { EditedElsewhere, Params, PipelineFacts, StartedBy } from "./pipeline-about";
import { PipelineCalendar } from "./pipeline-calendar";
import { PipelineDefinition } from "./pipeline-definition";
import { Backfill, EditPipeline, RunNow } from "./pipeline-dialogs";
import { PipelineRuns } from "./pipeline-runs";

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
        {edit && <button type="button" class="btn primary" disabled={!p.tasks.length} onClick={() => setDialog("run")}><Icon name="play" />Run now</button>}
        <UseFromCode snippets={(at) => snippets(at, name)} />
        {edit && <>
          <button type="button" class="btn" disabled={pause.busy} onClick={() => void pause.act(() => api.pipelinePause(name, !p.paused), loaded.reload)}><Icon name={p.paused ? "play" : "pause"} />{p.paused ? "Resume" : "Pause"}</button>
          {p.schedule && <button type="button" class="btn" disabled={!!p.error} onClick={() => setDialog("backfill")}><Icon name="clock" />Backfill</button>}
          {!p.followed && <button type="button" class="btn" onClick={() => setDialog("edit")}><Icon name="edit" />Edit</button>}
          {!p.followed && <button type="button" class="btn quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>}
        </>}
      </>}
    >
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      {pause.error && <Problem error={pause.error} />}
      {p?.error && <div class="problem"><Icon name="warn" /><div><p>{p.error}</p><p class="request-id">{p.tasks.length > 0 ? "The version before stays, and runs." : "The pipeline does not run until its definition is mended."}</p></div></div>}
      {edit && p?.followed && <EditedElsewhere pipeline={p} />}
      {!p && !loaded.error && <Card><Skeleton /></Card>}
      {p && (
        <Card>
          <PipelineFacts pipeline={p} />
          <StartedBy pipeline={p} />
          <Params params={p.params} />
          {p.tasks.length > 0 && (p.tasks.length <= DRAWN ? <Graph nodes={p.tasks} /> : <p class="muted">The graph of {p.tasks.length} tasks is not drawn.</p>)}
        </Card>
      )}
      <Tabs current={tab} href={(to) => path("pipelines", name) + (to === "runs" ? "" : `?tab=${to}`)} tabs={[{ id: "runs", label: "Runs" }, { id: "calendar", label: "Calendar" }, { id: "definition", label: "Definition" }]} />
      {tab === "definition" ? (p ? <PipelineDefinition pipeline={p} /> : <Card><Skeleton /></Card>) : tab === "calendar" ? <PipelineCalendar name={name} /> : <PipelineRuns list={runs} name={name} zone={p?.timezone ?? null} />}
      {dialog === "run" && p && <RunNow pipeline={p} close={close} />}
      {dialog === "backfill" && <Backfill name={name} close={close} after={runs.reload} />}
      {dialog === "edit" && p && <EditPipeline pipeline={p} close={close} after={loaded.reload} />}
      {dialog === "delete" && (
        <Confirm title="Delete the pipeline" submit="Delete" type={name} close={close} save={() => api.pipelineDelete(name)} after={() => go("/pipelines")}>
          <p><b>{name}</b> is removed: its definition, its schedule and triggers, and the token of its webhook. The records and logs of its runs stay, each at its own address, until they are pruned; so does what its tasks wrote.</p>
        </Confirm>
      )}
    </Page>
  );
}

const snippets = (at: Addresses, name: string) => [
  { label: "CLI", code: `export CRANNOG_URL=${at.http}\ncrannog pipeline run ${name}` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  -H 'content-type: application/json' -d '{"params": {}}' \\\n  ${at.http}/api/crannog/v1/pipelines/${encodeURIComponent(name)}/runs` },
  { label: "Python", code: `import os, requests\n\nauth = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])\nrun = requests.post("${at.http}/api/crannog/v1/pipelines/${encodeURIComponent(name)}/runs", json={"params": {}}, auth=auth${at.ca ? `, verify=${CA}` : ""}).json()\nprint(run["id"], run["state"])` },
];
