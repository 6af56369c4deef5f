// Curves with uPlot: one chart, one or several series, linear or logarithmic.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { number } from "../lib/format";
import { curve, join, type Point, type XAxis } from "../lib/series";
import { cssVar, useThemeTick } from "../lib/theme";

export interface Series { label: string; points: Point[] }

interface Props { series: Series[]; x: XAxis; log: boolean; smoothing: number; height?: number; label: string }

export const SERIES_COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];

export function Chart({ series, x, log, smoothing, height = 220, label }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const tick = useThemeTick();

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const curves = series.map((one) => curve(one.points, x, smoothing));
    const data = join(curves) as uPlot.AlignedData;
    const plot = new uPlot(options(series, x, log && positive(curves), host.clientWidth, height), data, host);
    const watch = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height }));
    watch.observe(host);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [series, x, log, smoothing, height, tick]);

  return <div class="chart" ref={box} role="img" aria-label={label} />;
}

/** A logarithmic axis has no place for zero or less. */
const positive = (curves: [number[], (number | null)[]][]) => curves.every(([, ys]) => ys.every((y) => y === null || y > 0));

/** What the legend says while the pointer is elsewhere. */
const last = (values: ArrayLike<number | null | undefined> | undefined) => Array.from(values ?? []).findLast((v) => v !== null && v !== undefined);

function options(series: Series[], x: XAxis, log: boolean, width: number, height: number): uPlot.Options {
  const ink = cssVar("--muted");
  const grid = { stroke: cssVar("--line-soft"), width: 1 };
  const font = "11px system-ui, sans-serif";
  const at = (v: number | null) => (v === null ? "" : x === "time" ? new Date(v * 1000).toLocaleTimeString("en-GB") : number(v));
  const few = series.every((one) => one.points.length <= 60);
  return {
    width,
    height,
    padding: [8, 12, 0, 0],
    cursor: { drag: { x: true, y: false }, focus: { prox: 24 }, points: { size: 7 } },
    legend: { live: true },
    scales: { x: { time: x === "time" }, y: log ? { distr: 3, log: 10 } : {} },
    axes: [
      { stroke: ink, grid, ticks: grid, font, size: 30, values: x === "time" ? undefined : (_, ticks) => ticks.map((t) => (x === "relative" ? `${number(t)} s` : number(t))) },
      { stroke: ink, grid, ticks: { show: false }, font, size: 56, values: (_, ticks) => ticks.map((t) => (t === null ? "" : number(t))) },
    ],
    series: [
      { label: x === "step" ? "step" : "time", value: (plot, v) => at(v ?? plot.data[0][plot.data[0].length - 1] ?? null) },
      ...series.map((one, i) => ({
        label: one.label,
        stroke: cssVar(SERIES_COLOURS[i % SERIES_COLOURS.length] ?? "--c1"),
        width: 2,
        spanGaps: true,
        points: { show: few, size: 5 },
        value: (plot: uPlot, v: number | null, index: number) => number(v ?? (plot.cursor.idx == null ? last(plot.data[index]) : null)),
      })),
    ],
  };
}
