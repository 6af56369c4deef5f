// The runs of one pipeline: for which time each was made, when it began, how long it took.
import * as api from "../lib/crannog";
import { clock, duration, knownZone, millis } from "../lib/format";
import { path } from "../lib/router";
import type { Loaded } from "../lib/use";
import { Card, Empty, Problem, Skeleton, Time } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { Late, Status } from "../parts/status";
import { Table } from "../parts/table";

const tookOf = (run: api.PipeRunMark) => {
  const start = millis(run.started_at);
  return start === null ? "–" : duration((millis(run.ended_at) ?? Date.now()) - start);
};

export function PipelineRuns({ list, name, zone }: { list: Loaded<api.PipeRun[]>; name: string; zone: string | null }) {
  const rows = list.data;
  return (
    <Card flush>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
      {rows?.length === 0 && <Empty kind="start" icon="play" title="It has not run yet"><p>Press “Run now”, or from a shell:</p><CodeBlock code={`crannog pipeline run ${name}`} /></Empty>}
      {rows && rows.length > 0 && (
        <Table
          stacks label="Pipeline runs" rows={rows} rowKey={(run) => run.id} href={(run) => path("pipeline-runs", run.id)}
          columns={[
            { id: "state", head: "State", cell: (run) => <><Status state={run.state} />{run.deadline_missed && <Late />}</> },
            { id: "id", head: "Run", cell: (run) => <a class="strong" href={path("pipeline-runs", run.id)}><code>{run.id}</code></a> },
            { id: "why", head: "Started by", cell: (run) => startedBy(run) },
            { id: "for", head: `Logical date (${knownZone(zone)})`, cell: (run) => clock(run.logical_at, zone) },
            { id: "start", head: "Started", cell: (run) => <Began run={run} /> },
            { id: "took", head: "Took", class: "num", cell: tookOf },
            { id: "params", head: "Params", class: "wide-only param", cell: (run) => <span class="muted">{Object.entries(run.params ?? {}).map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`).join(" ") || "–"}</span> },
          ]}
        />
      )}
    </Card>
  );
}

const EVENTS: Record<string, string> = { object_created: "an object", model_version: "a model version", alias_moved: "an alias", run_finished: "another run", canary: "a canary", webhook: "a webhook" };

/** What made a run; of an event, which kind. */
export const startedBy = (run: api.PipeRun): string => (run.event ? EVENTS[String(run.event.kind)] ?? "an event" : run.trigger);

/** When a run began; one that has not says since when it waits, or until when. */
function Began({ run }: { run: api.PipeRun }) {
  if (run.started_at) return <Time at={run.started_at} />;
  if (run.state !== "queued") return <span class="muted">never</span>;
  const later = (millis(run.not_before) ?? 0) > Date.now();
  return <span class="muted">not yet, {later ? "begins" : "queued"} <Time at={later ? run.not_before : run.created_at} /></span>;
}
