// Pipelines: when each runs, how its last runs went, and the switch to pause it.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { plural } from "../lib/format";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction, useLoad } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Time } from "../parts/basics";
import { type Addresses, CodeBlock, UseFromCode } from "../parts/code";
import { Icon } from "../parts/icon";
import { Marks, Status } from "../parts/status";
import { Filter, Table } from "../parts/table";
import { EditPipeline, EXAMPLE, RunNow } from "./pipeline-dialogs";

export function PipelinesScreen() {
  const { query } = usePlace();
  const { edit } = useMay();
  const [making, setMaking] = useState(false);
  const [running, setRunning] = useState<api.Pipeline>();
  const list = useLoad(api.pipelines, [], 4_000);
  const sources = useLoad(api.pipelineSources, [], 10_000);
  const pause = useAction();
  const text = query.get("q") ?? "";
  const rows = list.data?.filter((p) => `${p.name} ${p.description ?? ""}`.toLowerCase().includes(text.toLowerCase()));
  const state = (p: api.Pipeline) => (p.error ? "broken" : p.paused ? "paused" : "active");
  return (
    <Page title="Pipelines" actions={<><UseFromCode snippets={snippets} />{edit && <button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New pipeline</button>}</>}>
      <div class="toolbar"><Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Filter by name" label="Filter pipelines by name" />{rows && <span class="muted">{plural(rows.length, "pipeline")}</span>}</div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {pause.error && <Problem error={pause.error} />}
      {sources.data?.filter((s) => s.error).map((s) => (
        <div class="problem" key={s.kind}><Icon name="warn" /><div><p>{KINDS[s.kind] ?? s.kind} {s.place} could not be read: {s.error}</p><p class="request-id">What was there last stays, and runs.</p></div></div>
      ))}
      <Card flush>
        {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {rows?.length === 0 && (text ? <Empty kind="none" title="No pipeline matches" clear={() => setQuery({ q: null })} /> : <Empty kind="start" icon="flow" title="No pipeline yet"><p>A pipeline is a YAML file of commands that need one another:</p><CodeBlock code={EXAMPLE} /></Empty>)}
        {rows && rows.length > 0 && (
          <Table
            stacks label="Pipelines" rows={rows} rowKey={(p) => p.name} href={(p) => path("pipelines", p.name)}
            columns={[
              { id: "name", head: "Name", cell: (p) => <span class="two-line"><a class="strong" href={path("pipelines", p.name)}>{p.name}</a>{p.error ? <small class="bad wrap">{p.error}</small> : p.description && <small class="muted cut">{p.description}</small>}</span> },
              { id: "state", head: "State", cell: (p) => <Status state={state(p)} note={p.error} /> },
              { id: "when", head: "Schedule", cell: (p) => (p.schedule ? <span class="two-line"><span>{p.schedule_text ?? p.schedule}</span><small class="muted">{p.timezone}</small></span> : <span class="muted">{p.error && !p.tasks.length ? "–" : p.triggers?.length ? "On events" : "On demand"}</span>) },
              { id: "next", head: "Next", cell: (p) => (p.paused ? <span class="muted">–</span> : <Time at={p.next_run_at} empty={p.schedule ? "none" : "–"} />) },
              { id: "runs", head: "Last runs", cell: (p) => <Marks runs={p.recent_runs} /> },
              { id: "last", head: "Last", class: "wide-only", cell: (p) => (p.recent_runs[0] ? <a href={path("pipeline-runs", p.recent_runs[0].id)}><Status state={p.recent_runs[0].state} /></a> : <span class="muted">Never ran</span>) },
              { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (p) => edit && <>
                <button type="button" class="btn small" disabled={!p.tasks.length} onClick={() => setRunning(p)}><Icon name="play" size={12} />Run</button>
                <button type="button" class="icon-btn" disabled={pause.busy} title={p.paused ? "Resume the schedule" : "Pause the schedule"} aria-label={p.paused ? `Resume ${p.name}` : `Pause ${p.name}`} onClick={() => void pause.act(() => api.pipelinePause(p.name, !p.paused), list.reload)}><Icon name={p.paused ? "play" : "pause"} /></button>
              </> },
            ]}
          />
        )}
      </Card>
      {making && <EditPipeline close={() => setMaking(false)} after={(name) => go(path("pipelines", name))} />}
      {running && <RunNow pipeline={running} close={() => setRunning(undefined)} />}
    </Page>
  );
}

const KINDS: Record<string, string> = { file: "The folder", s3: "The bucket", git: "The Git repository" };

const snippets = (at: Addresses) => [
  { label: "CLI", code: `export CRANNOG_URL=${at.http}\ncrannog pipeline list` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  ${at.http}/api/crannog/v1/pipelines` },
];
