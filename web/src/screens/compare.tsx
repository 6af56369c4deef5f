// The runs of an experiment side by side: one chart per metric, one curve per run.
import { useMemo } from "preact/hooks";
import { number } from "../lib/format";
import * as ml from "../lib/mlflow";
import { useLoad } from "../lib/use";
import { Card, Empty, Problem, Skeleton } from "../parts/basics";
import { Chart, SERIES_COLOURS, type Series } from "../parts/chart";
import { ChartControls, toPoints, useChartOptions } from "./metrics";

/** As many curves as there are colours to tell them apart. */
const MOST_RUNS = SERIES_COLOURS.length;
const MOST_METRICS = 8;

export function CompareCharts({ runs }: { runs: ml.Run[] }) {
  const shown = runs.slice(0, MOST_RUNS);
  const keys = useMemo(() => [...new Set(shown.flatMap((run) => run.data.metrics?.map((m) => m.key) ?? []))].sort().slice(0, MOST_METRICS), [runs]);
  const options = useChartOptions();
  if (keys.length === 0) return <Empty kind="none" icon="chart" title="These runs have no metrics" />;
  return (
    <>
      <ChartControls options={options} />
      <p class="muted">The first {shown.length} runs in the table's order.</p>
      <div class="charts">{keys.map((key) => <MetricChart key={key} metric={key} runs={shown} options={options} />)}</div>
    </>
  );
}

function MetricChart({ metric, runs, options }: { metric: string; runs: ml.Run[]; options: ReturnType<typeof useChartOptions> }) {
  const having = runs.filter((run) => run.data.metrics?.some((m) => m.key === metric));
  const ids = having.map((run) => run.info.run_id).join();
  const data = useLoad(async (): Promise<Series[]> => {
    const histories = await Promise.all(having.map((run) => ml.history(run.info.run_id, metric)));
    return histories.map((points, i) => ({ label: having[i]?.info.run_name ?? "", points: toPoints(points) }));
  }, [metric, ids]);
  const single = data.data?.every((one) => one.points.length <= 1);
  return (
    <Card title={metric}>
      {data.error && <Problem error={data.error} retry={data.reload} />}
      {!data.data && !data.error && <Skeleton rows={6} />}
      {data.data && single && <Bars series={data.data} />}
      {data.data && !single && <Chart series={data.data} x={options.x} log={options.log} smoothing={options.smoothing} label={`${metric} of ${having.length} runs`} />}
    </Card>
  );
}

/** Metrics logged once have no curve; their values side by side say more. */
function Bars({ series }: { series: Series[] }) {
  const values = series.map((one) => one.points[0]?.value ?? NaN);
  const most = Math.max(...values.map((v) => (Number.isFinite(v) ? Math.abs(v) : 0)), Number.MIN_VALUE);
  return (
    <ul class="bars compare">
      {series.map((one, i) => <li key={i}><span class="cut" title={one.label}>{one.label}</span><span class="bar"><i style={{ width: `${(100 * Math.abs(values[i] ?? 0)) / most || 0}%`, background: `var(${SERIES_COLOURS[i % SERIES_COLOURS.length]})` }} /></span><b>{number(values[i])}</b></li>)}
    </ul>
  );
}
