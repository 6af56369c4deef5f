// The traces of an experiment: state, duration, tags and verdicts, searched in MLflow's filter syntax.
import { useMemo, useState } from "preact/hooks";
import { keyed, LISTED, NULLABLE, NUMERIC, type Name } from "../lib/complete";
import { csv, save } from "../lib/csv";
import { ms, plural } from "../lib/format";
import { usePaged } from "../lib/paged";
import { path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import * as tr from "../lib/traces";
import { useSettled } from "../lib/use";
import { Card, Empty, Problem, Skeleton, Tags, Time } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { FilterBox } from "../parts/filter-box";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Table, type Column } from "../parts/table";

const NONE: tr.TraceInfo[] = [];
const STATES: [string, string | null][] = [["All", null], ["OK", "OK"], ["Error", "ERROR"], ["Running", "IN_PROGRESS"]];

export function TracesTab({ experiment, name }: { experiment: string; name: string }) {
  const { query } = usePlace();
  const { edit } = useMay();
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [deleting, setDeleting] = useState(false);
  const text = query.get("traces") ?? "";
  const state = query.get("state");
  const settled = useSettled(text, 300);
  const filter = [settled, state && `trace.status = '${state}'`].filter(Boolean).join(" AND ");
  const list = usePaged((token) => tr.search(experiment, filter, token), (one) => one.trace_id, [experiment, filter], 4_000);
  const rows = list.rows ?? NONE;
  const names = useMemo(() => namesOf(rows), [rows]);
  const chosen = rows.filter((one) => picked.has(one.trace_id));
  const toggle = (id: string) => setPicked((old) => { const next = new Set(old); if (!next.delete(id)) next.add(id); return next; });
  const whole = rows.length > 0 && chosen.length === rows.length;
  const href = (one: tr.TraceInfo) => path("traces", one.trace_id);
  const columns: Column<tr.TraceInfo>[] = [
    { id: "pick", class: "pick", width: 40, head: <input type="checkbox" checked={whole} onChange={() => setPicked(whole ? new Set() : new Set(rows.map((one) => one.trace_id)))} aria-label="Select every loaded trace" />, cell: (one) => <input type="checkbox" checked={picked.has(one.trace_id)} onChange={() => toggle(one.trace_id)} aria-label={`Select ${one.trace_id}`} /> },
    { id: "name", head: "Trace", class: "pin", width: 170, cell: (one) => <a class="cut strong" href={href(one)} title={one.trace_id}>{tr.nameOf(one)}</a> },
    { id: "state", head: "State", width: 120, cell: (one) => <Status state={one.state} /> },
    { id: "when", head: "Started", width: 120, cell: (one) => <Time at={one.request_time} /> },
    { id: "took", head: "Took", class: "num", width: 96, cell: (one) => ms(tr.tookOf(one)) },
    { id: "request", head: "Request", width: 300, cell: (one) => <span title={one.request_preview}>{one.request_preview ?? "–"}</span> },
    { id: "response", head: "Response", width: 260, cell: (one) => <span title={one.response_preview} class="muted">{one.response_preview ?? "–"}</span> },
    { id: "verdicts", head: "Assessments", width: 190, cell: (one) => <Verdicts of={one} /> },
    { id: "tags", head: "Tags", width: 200, cell: (one) => <Tags tags={tr.userTags(one)} /> },
  ];
  const saveRows = () => save(`${name.replace(/[^\w.-]+/g, "-")}-traces.csv`, csv([["trace_id", "name", "state", "started", "duration_ms", "request", "response"], ...(chosen.length ? chosen : rows).map((one) => [one.trace_id, tr.nameOf(one), one.state, one.request_time, tr.tookOf(one) ?? undefined, one.request_preview, one.response_preview])]));
  return (
    <>
      <div class="toolbar runs-bar">
        <FilterBox value={text} onChange={(value) => setQuery({ traces: value })} names={names} error={list.error} label="Filter traces" placeholder={"tags.channel = 'web' AND trace.execution_time_ms > 500"} />
        <div class="segments" role="group" aria-label="State">{STATES.map(([label, value]) => <button key={label} type="button" aria-pressed={state === value} onClick={() => setQuery({ state: value })}>{label}</button>)}</div>
      </div>
      {list.error && list.error.status !== 400 && <Problem error={list.error} retry={list.reload} />}
      <Card flush class="runs-card">
        <div class="table-line">
          {chosen.length > 0 ? (
            <div class="bulk" role="group" aria-label="Selected traces">
              <b>{plural(chosen.length, "trace")} selected</b>
              <button type="button" class="btn small" onClick={saveRows}><Icon name="down" />CSV</button>
              {edit && <button type="button" class="btn small quiet-danger" onClick={() => setDeleting(true)}><Icon name="trash" />Delete</button>}
              <button type="button" class="btn small" onClick={() => setPicked(new Set())}>Clear</button>
            </div>
          ) : <span class="muted" role="status">{list.rows ? `${plural(rows.length, "trace")}${list.open ? ", more below" : ""}` : "…"}</span>}
        </div>
        {!list.rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {list.rows?.length === 0 && (filter
          ? <Empty kind="none" title="No trace matches" clear={() => setQuery({ traces: null, state: null })} />
          : <Empty kind="start" icon="layers" title="No trace in this experiment yet"><p>A traced function leaves one at each call:</p><CodeBlock code={`import mlflow\n\nmlflow.set_experiment("${name}")\n\n@mlflow.trace\ndef answer(question):\n    return question.upper()\n\nanswer("where is my flight?")`} /></Empty>)}
        {rows.length > 0 && <Table label="Traces" columns={columns} rows={rows} rowKey={(one) => one.trace_id} href={href} tall={{ onEnd: list.more, stale: list.stale }} />}
      </Card>
      {deleting && (
        <Confirm title={`Delete ${plural(chosen.length, "trace")}`} submit="Delete" close={() => setDeleting(false)} save={() => removeAll(experiment, chosen.map((one) => one.trace_id))} after={() => { setPicked(new Set()); list.reload(); }}>
          <p>{plural(chosen.length, "trace")} with all spans and assessments {chosen.length === 1 ? "is" : "are"} removed for good.</p>
        </Confirm>
      )}
    </>
  );
}

/** The server takes a hundred at a time. */
async function removeAll(experiment: string, ids: string[]) {
  for (let at = 0; at < ids.length; at += 100) await tr.tracesDelete(experiment, ids.slice(at, at + 100));
}

export const say = (value: unknown): string => (typeof value === "string" ? value : value === true ? "yes" : value === false ? "no" : value === undefined ? "–" : JSON.stringify(value));

function Verdicts({ of }: { of: tr.TraceInfo }) {
  const all = (of.assessments ?? []).filter((one) => one.feedback && one.valid !== false);
  if (all.length === 0) return <span class="muted">–</span>;
  return <span class="tags nowrap">{all.map((one) => <span key={one.assessment_id} class="tag" title={one.rationale}><b>{one.assessment_name}</b><span>{say(tr.verdict(one))}</span></span>)}</span>;
}

function namesOf(rows: tr.TraceInfo[]): Name[] {
  const keys = (pick: (one: tr.TraceInfo) => Record<string, string> | undefined) => [...new Set(rows.flatMap((one) => Object.keys(pick(one) ?? {})))].filter((key) => !key.startsWith("mlflow.")).sort();
  const seen = (pick: (one: tr.TraceInfo) => string | undefined) => () => [...new Set(rows.map(pick).filter((value) => value !== undefined && value.length < 80))].sort() as string[];
  const judged = [...new Set(rows.flatMap((one) => one.assessments?.filter((a) => a.feedback).map((a) => a.assessment_name) ?? []))];
  return [
    { name: "trace.status", ops: LISTED, values: () => ["OK", "ERROR", "IN_PROGRESS"] },
    { name: "trace.name", ops: LISTED, values: seen(tr.nameOf) },
    { name: "trace.execution_time_ms", ops: NUMERIC }, { name: "trace.timestamp_ms", ops: NUMERIC },
    ...keys((one) => one.tags).map((key): Name => ({ name: keyed("tags", key), ops: NULLABLE, values: seen((one) => one.tags?.[key]) })),
    ...keys((one) => one.trace_metadata).map((key): Name => ({ name: keyed("metadata", key), ops: NULLABLE, values: seen((one) => one.trace_metadata?.[key]) })),
    ...judged.map((name): Name => ({ name: keyed("feedback", name), ops: ["=", "!="] })),
    { name: "span.name", ops: LISTED }, { name: "span.type", ops: LISTED, values: () => ["LLM", "CHAIN", "AGENT", "TOOL", "CHAT_MODEL", "RETRIEVER", "PARSER", "EMBEDDING", "RERANKER"] }, { name: "span.status", ops: LISTED, values: () => ["OK", "ERROR"] },
    { name: "span.content", ops: ["LIKE", "ILIKE"] }, { name: "trace.text", ops: ["LIKE", "ILIKE"] }, { name: "trace.run_id", ops: ["="] },
  ];
}
