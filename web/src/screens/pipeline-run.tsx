// One pipeline run: graph, steps and the chosen step's live log in one place.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { duration, millis } from "../lib/format";
import { path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Facts, Id, Page, Problem, Skeleton, Time } from "../parts/basics";
import { UseFromCode } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { Graph } from "../parts/graph";
import { Icon } from "../parts/icon";
import { Log } from "../parts/log";
import { Status } from "../parts/status";

const OVER = new Set(["success", "failed", "cancelled"]);

export function PipelineRunScreen({ id }: { id: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [cancelling, setCancelling] = useState(false);
  const loaded = useLoad(() => api.pipeRun(id), [id], (run) => (run && OVER.has(run.state) ? undefined : 1_500));
  const run = loaded.data;
  if (!run) return <Page title="Pipeline run" crumbs={[{ label: "Pipelines", href: "/pipelines" }]}>{loaded.error ? <Problem error={loaded.error} retry={loaded.reload} /> : <Card><Skeleton rows={8} /></Card>}</Page>;
  const tasks = run.tasks ?? [];
  const task = tasks.find((t) => t.id === query.get("task")) ?? interesting(tasks);
  const start = millis(run.started_at);
  const params = Object.entries(run.params ?? {});
  return (
    <Page
      title={`${run.pipeline} run`} heading={<>{run.pipeline}<Status state={run.state} /></>} crumbs={[{ label: "Pipelines", href: "/pipelines" }, { label: run.pipeline, href: path("pipelines", run.pipeline) }]}
      actions={<><UseFromCode snippets={(at) => snippets(at, id)} />{edit && !OVER.has(run.state) && <button type="button" class="btn quiet-danger" onClick={() => setCancelling(true)}><Icon name="stop" />Cancel</button>}</>}
    >
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      <Card>
        <Facts items={[
          ["Run", <Id id={run.id} />], ["Started by", run.trigger], ["Started", <Time at={run.started_at} empty="not yet" />], ["Took", start === null ? "–" : duration((millis(run.ended_at) ?? Date.now()) - start)],
          run.trigger === "schedule" && ["For", <Time at={run.logical_at} />],
          params.length > 0 && ["Params", <span class="tags">{params.map(([k, v]) => <span class="tag" key={k}><b>{k}</b><span>{typeof v === "string" ? v : JSON.stringify(v)}</span></span>)}</span>],
        ]} />
        <Graph nodes={tasks} selected={task?.id} href={(to) => `${path("pipeline-runs", id)}?task=${encodeURIComponent(to)}`} />
      </Card>
      <div class="browser steps">
        <Card title="Steps" flush class="files">
          {tasks.map((t) => <Step key={t.id} task={t} href={`${path("pipeline-runs", id)}?task=${encodeURIComponent(t.id)}`} current={t.id === task?.id} />)}
        </Card>
        {task && <TaskLog runId={id} task={task} wanted={Number(query.get("attempt")) || undefined} />}
      </div>
      {cancelling && (
        <Confirm title="Cancel the run" submit="Cancel the run" close={() => setCancelling(false)} after={loaded.reload} save={() => api.pipeRunCancel(id)}>
          <p>Running tasks are stopped: <b>{tasks.filter((t) => t.state === "running").map((t) => t.id).join(", ") || "none right now"}</b>. Tasks that wait will not start. What was written so far stays.</p>
        </Confirm>
      )}
    </Page>
  );
}

/** What a person came for: the failure, else what runs now, else the last step that ran. */
function interesting(tasks: api.PipeTask[]): api.PipeTask | undefined {
  return tasks.find((t) => t.state === "failed" || t.state === "lost") ?? tasks.find((t) => t.state === "running") ?? [...tasks].reverse().find((t) => t.started_at) ?? tasks[0];
}

function Step({ task, href, current }: { task: api.PipeTask; href: string; current: boolean }) {
  const start = millis(task.started_at);
  return (
    <a class="file" href={href} aria-current={current ? "true" : undefined}>
      <Status state={task.state} /><span class="grow cut strong">{task.id}</span>
      <span class="muted">{task.attempt > 1 ? `try ${task.attempt} · ` : ""}{start === null ? "" : duration((millis(task.ended_at) ?? Date.now()) - start)}</span>
    </a>
  );
}

function TaskLog({ runId, task, wanted }: { runId: string; task: api.PipeTask; wanted?: number }) {
  const attempt = wanted && wanted <= task.attempt ? wanted : task.attempt;
  return (
    <Card
      flush title={<>{task.id} <Status state={task.state} /></>} class="viewer"
      actions={task.attempt > 1 && <div class="segments" role="group" aria-label="Attempt">{Array.from({ length: task.attempt }, (_, i) => <button key={i} type="button" aria-pressed={attempt === i + 1} onClick={() => setQuery({ task: task.id, attempt: String(i + 1) })}>try {i + 1}</button>)}</div>}
    >
      {(task.reason || (task.exit_code !== null && task.exit_code !== undefined && task.exit_code !== 0)) && <p class={`note ${task.state === "cancelled" || task.state === "waiting" || task.state === "queued" ? "" : "bad"}`}>{task.reason ?? `Exit code ${task.exit_code}`}</p>}
      {task.started_at && attempt > 0
        ? <Log key={`${task.id}/${attempt}`} url={api.taskLogUrl(runId, task.id, attempt)} live={task.state === "running"} />
        : <Empty kind="start" icon="clock" title="This step has not started">{task.needs.length > 0 && <p>It needs {task.needs.join(", ")}.</p>}</Empty>}
    </Card>
  );
}

const snippets = (at: { http: string }, id: string) => [
  { label: "CLI", code: `export CRANNOG_URL=${at.http}\ncrannog pipeline show ${id}` },
  { label: "curl", code: `curl -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  ${at.http}/api/crannog/v1/pipeline-runs/${id}` },
];
