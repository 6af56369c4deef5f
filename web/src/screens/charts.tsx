// The charts of an experiment: curves of its first runs, parallel coordinates and a scatter of all that match.
import { setQuery, usePlace } from "../lib/router";
import { Card, Empty, Problem, Skeleton } from "../parts/basics";
import { LineCharts } from "./charts-lines";
import { ParallelChart, ScatterChart } from "./charts-planes";
import { RunsFilter } from "./runs";
import type { Runs } from "./runs-query";

const COUNTS = [6, 12, 20];

export function ChartsTab({ at }: { at: Runs }) {
  const { query } = usePlace();
  const kind = query.get("chart") ?? "lines";
  const count = COUNTS.find((one) => String(one) === query.get("first")) ?? COUNTS[0] ?? 6;
  const kinds: [string, string][] = [["lines", "Lines"], ["parallel", "Parallel coordinates"], ["scatter", "Scatter"]];
  return (
    <>
      <div class="toolbar runs-bar">
        <RunsFilter at={at} />
        <div class="actions">
          <div class="segments" role="group" aria-label="Chart">
            {kinds.map(([id, label]) => <button key={id} type="button" aria-pressed={kind === id} onClick={() => setQuery({ chart: id === "lines" ? null : id })}>{label}</button>)}
          </div>
          {kind === "lines" && (
            <select class="select" aria-label="How many runs" value={String(count)} onChange={(event) => setQuery({ first: event.currentTarget.value === String(COUNTS[0]) ? null : event.currentTarget.value })}>
              {COUNTS.map((one) => <option key={one} value={String(one)}>First {one} runs</option>)}
            </select>
          )}
        </div>
      </div>
      {at.list.error && at.list.error.status !== 400 && <Problem error={at.list.error} retry={at.list.reload} />}
      {!at.list.rows && !at.list.error && <Card><Skeleton rows={8} /></Card>}
      {at.list.rows?.length === 0 && <Card><Empty kind="none" icon="chart" title="No run to draw" clear={at.filter ? () => setQuery({ filter: null }) : undefined} /></Card>}
      {at.runs.length > 0 && kind === "lines" && <LineCharts runs={at.runs.slice(0, count)} />}
      {at.runs.length > 0 && kind === "parallel" && <ParallelChart at={at} />}
      {at.runs.length > 0 && kind === "scatter" && <ScatterChart at={at} />}
    </>
  );
}
