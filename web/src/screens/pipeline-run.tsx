// One pipeline run: graph, steps with their timeline, and the chosen step's live log in one place.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { duration, millis, stamp } from "../lib/format";
import { path, type Place, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Facts, Id, Page, Problem, Skeleton, Time } from "../parts/basics";
import { type Addresses, UseFromCode } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { DRAWN, Graph } from "../parts/graph";
import { Icon } from "../parts/icon";
import { Late, Status, tone } from "../parts/status";
import { EventFacts } from "./pipeline-event";
import { startedBy } from "./pipeline-runs";
import { ClearTask, TaskPanel } from "./pipeline-task";

const OVER = new Set(["success", "failed", "cancelled"]);

export function PipelineRunScreen({ id }: { id: string }) {
  const place = usePlace();
  const { query } = place;
  const { edit } = useMay();
  const viewer = useIntoSight(place);
  const [dialog, setDialog] = useState<"cancel" | "again">();
  const loaded = useLoad(() => api.pipeRun(id), [id], (run) => (run && OVER.has(run.state) ? undefined : 1_500));
  const run = loaded.data;
  if (!run) return <Page title="Pipeline run" crumbs={[{ label: "Pipelines", href: "/pipelines" }]}>{loaded.error ? <Problem error={loaded.error} retry={loaded.reload} /> : <Card><Skeleton rows={8} /></Card>}</Page>;
  const tasks = run.tasks ?? [];
  const task = tasks.find((t) => t.id === query.get("task")) ?? interesting(tasks);
  const to = (step: string) => `${path("pipeline-runs", id)}?task=${encodeURIComponent(step)}`;
  const close = () => setDialog(undefined);
  const failed = tasks.filter((t) => ["failed", "lost", "upstream_failed"].includes(t.state));
  // The instances of a mapped step are in the list; the graph has the step as a whole.
  const drawn = tasks.filter((t) => t.map_index === null || t.map_index === undefined).map((t) => (t.mapped ? { ...t, label: `${t.id} × ${t.mapped}` } : t));
  return (
    <Page
      title={`${run.pipeline} run`} heading={<>{run.pipeline}<Status state={run.state} />{run.deadline_missed && <Late />}</>} crumbs={[{ label: "Pipelines", href: "/pipelines" }, { label: run.pipeline, href: path("pipelines", run.pipeline) }]}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, id)} />
        {edit && OVER.has(run.state) && failed.length > 0 && <button type="button" class="btn primary" onClick={() => setDialog("again")}><Icon name="play" />Run the failed again</button>}
        {edit && !OVER.has(run.state) && <button type="button" class="btn quiet-danger" onClick={() => setDialog("cancel")}><Icon name="stop" />Cancel</button>}
      </>}
    >
      {loaded.error && <Problem error={loaded.error} retry={loaded.reload} />}
      {run.waiting_for && <p class="waits"><Icon name="clock" /><span><b>Why it waits:</b> {run.waiting_for}</span></p>}
      <Card>
        <RunFacts run={run} />
        {run.event && <EventFacts event={run.event} zone={run.timezone} />}
        {drawn.length <= DRAWN ? <Graph nodes={drawn} selected={task?.id} href={to} /> : <p class="muted">The graph of {drawn.length} steps is not drawn; the list below has them all.</p>}
      </Card>
      <div class="browser steps">
        <Card title="Steps" flush class="files step-list">
          {inOrder(tasks).map((t) => <Step key={t.id} task={t} run={run} href={to(t.id)} current={t.id === task?.id} />)}
        </Card>
        <div ref={viewer} class="in-sight">{task && <TaskPanel key={task.id} run={run} task={task} attempt={Number(query.get("attempt")) || undefined} changed={loaded.reload} />}</div>
      </div>
      {dialog === "again" && <ClearTask run={run} tasks={failed.map((t) => t.id)} only_failed close={close} after={loaded.reload} />}
      {dialog === "cancel" && (
        <Confirm title="Cancel the run" submit="Cancel the run" close={close} after={loaded.reload} save={() => api.pipeRunCancel(id)}>
          <p>Running tasks are stopped: <b>{tasks.filter((t) => t.state === "running").map((t) => t.id).join(", ") || "none right now"}</b>. Tasks that wait will not start. What was written so far stays.</p>
        </Confirm>
      )}
    </Page>
  );
}

/** Where steps and log stand below each other, the log of the step that was just chosen is brought into sight. */
function useIntoSight(place: Place) {
  const box = useRef<HTMLDivElement>(null);
  const first = useRef(true);
  useLayoutEffect(() => {
    const chosen = !first.current && place.query.has("task");
    first.current = false;
    if (chosen && matchMedia("(max-width: 860px)").matches) box.current?.scrollIntoView({ block: "start" });
  }, [place]);
  return box;
}

function RunFacts({ run }: { run: api.PipeRun }) {
  const start = millis(run.started_at);
  const params = Object.entries(run.params ?? {});
  return (
    <Facts items={[
      ["Run", <Id id={run.id} />], ["Started by", startedBy(run)], ["Logical date", stamp(run.logical_at, run.timezone)],
      start === null ? [OVER.has(run.state) ? "Made" : "Queued", <Time at={run.created_at} />] : ["Started", <Time at={run.started_at} />],
      start !== null && [run.ended_at ? "Took" : "Running for", duration((millis(run.ended_at) ?? Date.now()) - start)],
      start === null && !OVER.has(run.state) && !!run.not_before && ["Begins", stamp(run.not_before, run.timezone)],
      !!run.deadline_at && ["Deadline", <>{stamp(run.deadline_at, run.timezone)}{run.deadline_missed && <b class="missed"> missed</b>}</>],
      !!run.commit && ["Commit", <Id id={run.commit} />],
      params.length > 0 && ["Params", <span class="tags">{params.map(([k, v]) => <span class="tag" key={k}><b>{k}</b><span>{typeof v === "string" ? v : JSON.stringify(v)}</span></span>)}</span>],
    ]} />
  );
}

/** The instances of a mapped step stand below it. */
function inOrder(tasks: api.PipeTask[]): api.PipeTask[] {
  const isInstance = (t: api.PipeTask) => t.map_index !== null && t.map_index !== undefined;
  const instances = new Map<string, api.PipeTask[]>();
  for (const task of tasks.filter(isInstance)) {
    const whole = task.id.replace(/\[\d+\]$/, "");
    instances.set(whole, [...(instances.get(whole) ?? []), task]);
  }
  return tasks.filter((t) => !isInstance(t)).flatMap((t) => [t, ...(instances.get(t.id) ?? [])]);
}

/** What a person came for: the failure, else what runs now, else the last step that ran. */
function interesting(tasks: api.PipeTask[]): api.PipeTask | undefined {
  return tasks.find((t) => t.state === "failed" || t.state === "lost") ?? tasks.find((t) => t.state === "running") ?? [...tasks].reverse().find((t) => t.started_at) ?? tasks[0];
}

function Step({ task, run, href, current }: { task: api.PipeTask; run: api.PipeRun; href: string; current: boolean }) {
  const start = millis(task.started_at);
  return (
    <a class="file step-row" href={href} aria-current={current ? "true" : undefined}>
      <span class="step-line">
        <Status state={task.state} /><span class="grow cut strong" title={task.id}>{task.id}</span>
        <span class="muted">{task.attempt > 1 ? `try ${task.attempt} · ` : ""}{start === null ? "" : duration((millis(task.ended_at) ?? Date.now()) - start)}</span>
      </span>
      <Bar task={task} run={run} />
    </a>
  );
}

/** When the step ran, within the time the run has taken so far. */
function Bar({ task, run }: { task: api.PipeTask; run: api.PipeRun }) {
  const [start, from] = [millis(task.started_at), millis(run.started_at)];
  if (start === null || from === null) return <span class="timeline" />;
  const until = millis(run.ended_at) ?? Date.now();
  const whole = Math.max(1, until - from);
  const left = Math.min(99, Math.max(0, ((start - from) / whole) * 100));
  const width = Math.max(0.8, Math.min(100 - left, (((millis(task.ended_at) ?? until) - start) / whole) * 100));
  return <span class="timeline" title={`began ${duration(Math.max(0, start - from))} into the run`}><i class={`tone-${tone(task.state)}`} style={{ left: `${left}%`, width: `${width}%` }} /></span>;
}

const snippets = (at: Addresses, id: string) => [
  { label: "CLI", code: `export CRANNOG_URL=${at.http}\ncrannog pipeline show ${id}` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  ${at.http}/api/crannog/v1/pipeline-runs/${id}` },
];
