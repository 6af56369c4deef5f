// Metric charts of one run, and the controls that all charts share; the choices live in the URL.
import type { Metric } from "../lib/mlflow";
import * as ml from "../lib/mlflow";
import { number } from "../lib/format";
import { setQuery, usePlace } from "../lib/router";
import type { Point, XAxis } from "../lib/series";
import { useLoad } from "../lib/use";
import { Card, Empty, Problem, Skeleton } from "../parts/basics";
import { Chart } from "../parts/chart";
import { InSight } from "../parts/in-sight";

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

/** Metrics by what stands before their first slash: `system/`, `train/`; those without come first. */
function sections(metrics: Metric[]): [string, Metric[]][] {
  const found = new Map<string, Metric[]>([["", []]]);
  for (const metric of metrics) {
    const prefix = metric.key.includes("/") ? metric.key.slice(0, metric.key.indexOf("/")) : "";
    found.set(prefix, [...(found.get(prefix) ?? []), metric]);
  }
  return [...found].filter(([, members]) => members.length > 0).sort(([a], [b]) => Number(a === "system") - Number(b === "system"));
}

export function MetricCharts({ runId, metrics }: { runId: string; metrics: Metric[] }) {
  const { query } = usePlace();
  const options = useChartOptions();
  const text = query.get("metrics") ?? "";
  const shown = metrics.filter((metric) => metric.key.toLowerCase().includes(text.toLowerCase()));
  return (
    <>
      <div class="chart-bar">
        <ChartControls options={options} />
        {metrics.length > 4 && <input class="find" type="search" value={text} placeholder={`Find among ${number(metrics.length)} metrics`} aria-label="Find a metric" data-search onInput={(event) => setQuery({ metrics: event.currentTarget.value })} />}
      </div>
      {shown.length === 0 && <Card><Empty kind="none" title="No metric is called that" clear={() => setQuery({ metrics: null })} /></Card>}
      {sections(shown).map(([prefix, members]) => (
        <section key={prefix} class="stack">
          {prefix && <h2 class="section-name">{prefix} <span class="count">{members.length}</span></h2>}
          <div class="charts">{members.map((metric) => <One key={metric.key} runId={runId} metric={metric} options={options} />)}</div>
        </section>
      ))}
    </>
  );
}

function One(props: { runId: string; metric: Metric; options: ReturnType<typeof useChartOptions> }) {
  return <Card title={props.metric.key} actions={<b class="figure" title={String(props.metric.value)}>{number(props.metric.value)}</b>}><InSight height={220}><Curve {...props} /></InSight></Card>;
}

function Curve({ runId, metric, options }: { runId: string; metric: Metric; options: ReturnType<typeof useChartOptions> }) {
  const data = useLoad(async () => [{ label: metric.key, points: toPoints((await ml.sampled([runId], metric.key)).get(runId) ?? []) }], [runId, metric.key, `${metric.timestamp} ${metric.step}`], undefined, [runId, metric.key]);
  const points = data.data?.[0]?.points ?? [];
  return (
    <>
      {data.error && <Problem error={data.error} retry={data.reload} />}
      {!data.data && !data.error && <Skeleton rows={6} />}
      {data.data && points.length > 1 && <Chart series={data.data} x={options.x} log={options.log} smoothing={options.smoothing} label={`${metric.key}, ${points.length} points, last ${number(metric.value)}`} />}
      {data.data && points.length <= 1 && <p class="single"><b>{number(metric.value)}</b><span class="muted">one point, at step {number(metric.step)}</span></p>}
    </>
  );
}
