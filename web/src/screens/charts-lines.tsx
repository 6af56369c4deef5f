// Metric curves of several runs: a chart per metric, a curve per run, one legend for all of them.
import { useMemo } from "preact/hooks";
import { nameOf } from "../lib/fields";
import { number, plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { path, setQuery, usePlace } from "../lib/router";
import { useLoad } from "../lib/use";
import { Card, Empty, Problem, Skeleton } from "../parts/basics";
import { Chart, colourOf, Mark, type Series } from "../parts/chart";
import { InSight } from "../parts/in-sight";
import { ChartControls, toPoints, useChartOptions } from "./metrics";

interface Drawn { runs: ml.Run[]; options: ReturnType<typeof useChartOptions> }

export function LineCharts({ runs }: { runs: ml.Run[] }) {
  const { query } = usePlace();
  const text = query.get("metrics") ?? "";
  const keys = useMemo(() => [...new Set(runs.flatMap((run) => run.data.metrics?.map((m) => m.key) ?? []))].sort(), [runs]);
  const shown = keys.filter((key) => key.toLowerCase().includes(text.toLowerCase()));
  const options = useChartOptions();
  if (keys.length === 0) return <Card><Empty kind="none" icon="chart" title="These runs have no metrics" /></Card>;
  return (
    <>
      <div class="chart-bar">
        <ChartControls options={options} />
        {keys.length > 4 && <input class="find" type="search" value={text} placeholder={`Find among ${number(keys.length)} metrics`} aria-label="Find a metric" onInput={(event) => setQuery({ metrics: event.currentTarget.value })} />}
      </div>
      <ul class="legend" aria-label="Runs">{runs.map((run, i) => <li key={run.info.run_id}><Mark at={i} /><a class="cut" href={path("runs", run.info.run_id)} title={nameOf(run)}>{nameOf(run)}</a></li>)}</ul>
      {shown.length === 0 && <Card><Empty kind="none" title="No metric is called that" clear={() => setQuery({ metrics: null })} /></Card>}
      <div class="charts">{shown.map((key) => <Card key={key} title={key}><InSight height={236}><MetricChart metric={key} runs={runs} options={options} /></InSight></Card>)}</div>
    </>
  );
}

function MetricChart({ metric, runs, options }: Drawn & { metric: string }) {
  const having = runs.map((run, mark) => ({ run, mark, latest: run.data.metrics?.find((one) => one.key === metric) })).filter((one) => one.latest);
  // Histories are read again when a latest value moved.
  const state = having.map(({ run, latest }) => `${run.info.run_id} ${latest?.timestamp} ${latest?.step}`).join();
  const data = useLoad(async (): Promise<Series[]> => {
    const histories = await ml.sampled(having.map(({ run }) => run.info.run_id), metric);
    return having.map(({ run, mark }) => ({ label: nameOf(run), points: toPoints(histories.get(run.info.run_id) ?? []), mark, href: path("runs", run.info.run_id) }));
  }, [metric, state], undefined, [metric]);
  const single = data.data?.every((one) => one.points.length <= 1);
  return (
    <>
      {data.error && <Problem error={data.error} retry={data.reload} />}
      {!data.data && !data.error && <Skeleton rows={6} />}
      {data.data && single && <Bars series={data.data} />}
      {data.data && !single && <Chart series={data.data} x={options.x} log={options.log} smoothing={options.smoothing} label={`${metric} of ${plural(having.length, "run")}`} />}
    </>
  );
}

/** Metrics logged once have no curve; their values side by side say more. */
function Bars({ series }: { series: Series[] }) {
  const values = series.map((one) => one.points[0]?.value ?? NaN);
  const most = Math.max(...values.map((v) => (Number.isFinite(v) ? Math.abs(v) : 0)), Number.MIN_VALUE);
  return (
    <ul class="bars compare">
      {series.map((one, i) => <li key={i}><span class="cut" title={one.label}>{one.label}</span><span class="bar"><i style={{ width: `${(100 * Math.abs(values[i] ?? 0)) / most || 0}%`, background: `var(${colourOf(one.mark ?? i)})` }} /></span><b>{number(values[i])}</b></li>)}
    </ul>
  );
}
