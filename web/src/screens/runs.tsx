// The runs of an experiment as a table: filtered and sorted by the server, grouped here, all of it in the URL.
import { useState } from "preact/hooks";
import { fieldId, headOf, KINDS } from "../lib/fields";
import { number, plural } from "../lib/format";
import { parentOf } from "../lib/group";
import { setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useAction } from "../lib/use";
import { Card, Empty, Problem, Skeleton } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { FilterBox } from "../parts/filter-box";
import { Icon } from "../parts/icon";
import { Bulk, saveRuns } from "./runs-bulk";
import { Columns } from "./runs-columns";
import { FLAT, MOST_RUNS, type Runs } from "./runs-query";
import { RunsTable } from "./runs-table";

export function RunsFilter({ at }: { at: Runs }) {
  return <FilterBox value={at.filter} onChange={(value) => setQuery({ filter: value })} names={at.names} error={at.list.error} label="Filter runs" placeholder={"metrics.auc > 0.8 AND params.model = 'tree'"} />;
}

export function RunsTab({ at, name }: { at: Runs; name: string }) {
  const { edit } = useMay();
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [choosing, setChoosing] = useState(false);
  const { list, runs } = at;
  const chosen = runs.filter((run) => picked.has(run.info.run_id));
  const refused = list.error && list.error.status !== 400 ? list.error : undefined;
  return (
    <>
      <div class="toolbar runs-bar">
        <RunsFilter at={at} />
        <div class="actions">
          <GroupBy at={at} />
          <button type="button" class="btn" onClick={() => setChoosing(true)}><Icon name="columns" />Columns</button>
          <SaveAll at={at} name={name} />
          <div class="segments" role="group" aria-label="Which runs">
            {[["Active", null], ["Deleted", "deleted"]].map(([label, view]) => <button key={label} type="button" aria-pressed={at.deleted === (view === "deleted")} onClick={() => { setPicked(new Set()); setQuery({ view }); }}>{label}</button>)}
          </div>
        </div>
      </div>
      {refused && <Problem error={refused} retry={list.reload} />}
      <Card flush class="runs-card">
        <div class="table-line">
          {chosen.length > 0
            ? <Bulk runs={chosen} at={at} name={name} edit={edit} clear={() => setPicked(new Set())} />
            : <span class="muted" role="status">{list.rows ? found(at) : "…"}</span>}
        </div>
        {!list.rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {list.rows?.length === 0 && <NoRuns at={at} name={name} />}
        {runs.length > 0 && <RunsTable at={at} picked={picked} pick={setPicked} />}
      </Card>
      {choosing && <Columns at={at} close={() => setChoosing(false)} />}
    </>
  );
}

const found = ({ runs, list, total }: Runs) =>
  !list.open ? plural(runs.length, "run") : total === undefined ? `${plural(runs.length, "run")}, more below` : `${number(runs.length)} of ${plural(total, "run")}, more below`;

function NoRuns({ at, name }: { at: Runs; name: string }) {
  if (at.filter) return <Empty kind="none" title="No run matches the filter" clear={() => setQuery({ filter: null })} />;
  if (at.deleted) return <Empty kind="done" title="No run is deleted" />;
  return <Empty kind="start" icon="flask" title="No run in this experiment yet"><p>Log one; it appears here at once.</p><CodeBlock code={`import mlflow\n\nmlflow.set_experiment("${name}")\nwith mlflow.start_run():\n    mlflow.log_metric("auc", 0.91)`} /></Empty>;
}

/** A group must have all its runs, so choosing one fetches them. */
function GroupBy({ at }: { at: Runs }) {
  const { query } = usePlace();
  const kinds = KINDS.filter(([kind]) => kind !== "metric");
  const usable = (kind: (typeof kinds)[number][0]) => (kind === "attribute" ? at.known.attribute.filter((field) => ["status", "user", "dataset", "source", "commit", "parent"].includes(field.key)) : at.known[kind]);
  const value = at.group ? fieldId(at.group) : query.get("group") === FLAT ? FLAT : "";
  const deep = at.runs.some((run) => parentOf(run));
  return (
    <select class="select" aria-label="Group by" value={value} onChange={(event) => setQuery({ group: event.currentTarget.value || null })}>
      <option value="">{deep ? "Nested" : "No groups"}</option>
      {(deep || value === FLAT) && <option value={FLAT}>Flat</option>}
      {kinds.map(([kind, label]) => (
        <optgroup key={kind} label={label}>{usable(kind).map((field) => <option key={field.key} value={fieldId(field)}>{headOf(field)}</option>)}</optgroup>
      ))}
      {at.group && !usable(at.group.kind).some((field) => field.key === at.group?.key) && <option value={value}>{headOf(at.group)}</option>}
    </select>
  );
}

function SaveAll({ at, name }: { at: Runs; name: string }) {
  const { busy, error, act } = useAction();
  const go = () => act(async () => saveRuns(name, await at.list.all(MOST_RUNS), at.columns));
  return <button type="button" class="btn" disabled={busy || at.runs.length === 0} title={error ? error.message : "Every run that matches, with these columns"} onClick={() => void go()}><Icon name={error ? "warn" : "down"} />{busy ? `${number(at.runs.length)} runs…` : "CSV"}</button>;
}
