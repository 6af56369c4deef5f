// Metric charts of one run, and the controls that all charts share; the choices live in the URL.
import type { Metric } from "../lib/mlflow";
import * as ml from "../lib/mlflow";
import { number } from "../lib/format";
import { setQuery, usePlace } from "../lib/router";
import type { Point, XAxis } from "../lib/series";
import { useLoad } from "../lib/use";
import { Card, Problem, Skeleton } from "../parts/basics";
import { Chart } from "../parts/chart";

export const toPoints = (points: Metric[]): Point[] => points.map((p) => ({ step: Number(p.step), time: Number(p.timestamp), value: Number(p.value) }));

export function useChartOptions() {
  const { query } = usePlace();
  const x = query.get("x");
  return { x: (x === "time" || x === "relative" ? x : "step") as XAxis, log: query.get("log") === "1", smoothing: Math.min(0.99, Math.max(0, Number(query.get("smooth")) || 0)) };
}

export function ChartControls({ options }: { options: ReturnType<typeof useChartOptions> }) {
  const axes: [XAxis, string][] = [["step", "Step"], ["time", "Time"], ["relative", "Relative"]];
  return (
    <div class="toolbar chart-controls">
      <div class="segments" role="group" aria-label="Horizontal axis">
        {axes.map(([id, label]) => <button key={id} type="button" aria-pressed={options.x === id} onClick={() => setQuery({ x: id === "step" ? null : id })}>{label}</button>)}
      </div>
      <label class="check"><input type="checkbox" checked={options.log} onChange={(e) => setQuery({ log: e.currentTarget.checked ? "1" : null })} />Log scale</label>
      <label class="range">Smoothing<input type="range" min="0" max="0.99" step="0.01" value={options.smoothing} onInput={(e) => setQuery({ smooth: e.currentTarget.value === "0" ? null : e.currentTarget.value })} /><output>{options.smoothing.toFixed(2)}</output></label>
    </div>
  );
}

export function MetricCharts({ runId, metrics }: { runId: string; metrics: Metric[] }) {
  const options = useChartOptions();
  return (
    <>
      <ChartControls options={options} />
      <div class="charts">{metrics.map((metric) => <One key={metric.key} runId={runId} metric={metric} options={options} />)}</div>
    </>
  );
}

function One({ runId, metric, options }: { runId: string; metric: Metric; options: ReturnType<typeof useChartOptions> }) {
  const data = useLoad(async () => [{ label: metric.key, points: toPoints((await ml.sampled([runId], metric.key)).get(runId) ?? []) }], [runId, metric.key, `${metric.timestamp} ${metric.step}`], undefined, [runId, metric.key]);
  const points = data.data?.[0]?.points ?? [];
  return (
    <Card title={metric.key} actions={<b class="figure">{number(metric.value)}</b>}>
      {data.error && <Problem error={data.error} retry={data.reload} />}
      {!data.data && !data.error && <Skeleton rows={6} />}
      {data.data && points.length > 1 && <Chart series={data.data} x={options.x} log={options.log} smoothing={options.smoothing} label={`${metric.key}, ${points.length} points, last ${number(metric.value)}`} />}
      {data.data && points.length <= 1 && <p class="single"><b>{number(metric.value)}</b><span class="muted">one point, at step {number(metric.step)}</span></p>}
    </Card>
  );
}
