// The runs of an experiment side by side: one chart per metric, one curve per run.
import { useMemo } from "preact/hooks";
import * as ml from "../lib/mlflow";
import { useLoad } from "../lib/use";
import { Empty, Problem, Skeleton } from "../parts/basics";
import { Chart, SERIES_COLOURS, type Series } from "../parts/chart";
import { Card } from "../parts/basics";
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
  return (
    <Card title={metric}>
      {data.error && <Problem error={data.error} retry={data.reload} />}
      {!data.data && !data.error && <Skeleton rows={6} />}
      {data.data && <Chart series={data.data} x={options.x} log={options.log} smoothing={options.smoothing} label={`${metric} of ${having.length} runs`} />}
    </Card>
  );
}
