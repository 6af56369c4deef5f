// Curves with uPlot: one chart, one or several series, linear or logarithmic; the pointer names the nearest curve.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { number } from "../lib/format";
import { go } from "../lib/router";
import { curve, join, type Point, type XAxis } from "../lib/series";
import { cssVar, useThemeTick } from "../lib/theme";

/** `mark` is the place in the palette, the same for one run in every chart of a page. */
export interface Series { label: string; points: Point[]; mark?: number; href?: string }

interface Props { series: Series[]; x: XAxis; log: boolean; smoothing: number; height?: number; label: string }

const COLOURS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];
/** With more curves than colours the line itself tells them apart. */
const DASHES: number[][] = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

export const colourOf = (mark: number) => COLOURS[mark % COLOURS.length] ?? "--c1";
const dashOf = (mark: number) => DASHES[Math.floor(mark / COLOURS.length) % DASHES.length] ?? [];

/** The line a run is drawn with, as a legend shows it. */
export function Mark({ at }: { at: number }) {
  return <svg class="line-mark" width="22" height="8" viewBox="0 0 22 8" aria-hidden="true"><path d="M1 4h20" style={{ stroke: `var(${colourOf(at)})`, strokeDasharray: dashOf(at).join(" ") }} /></svg>;
}

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

function options(series: Series[], x: XAxis, log: boolean, width: number, height: number): uPlot.Options {
  const ink = cssVar("--muted");
  const grid = { stroke: cssVar("--line-soft"), width: 1 };
  const font = "11px system-ui, sans-serif";
  const few = series.every((one) => one.points.length <= 60);
  return {
    width,
    height,
    padding: [8, 24, 0, 0],
    cursor: { drag: { x: true, y: false }, focus: { prox: 1e6 }, points: { size: 7 } },
    focus: { alpha: series.length > 1 ? 0.35 : 1 },
    legend: { show: false },
    scales: { x: { time: x === "time" }, y: log ? { distr: 3, log: 10 } : {} },
    axes: [
      { stroke: ink, grid, ticks: grid, font, size: 30, values: x === "time" ? undefined : (_, ticks) => ticks.map((t) => (x === "relative" ? `${number(t)} s` : number(t))) },
      { stroke: ink, grid, ticks: { show: false }, font, size: 56, values: (_, ticks) => ticks.map((t) => (t === null ? "" : number(t))) },
    ],
    series: [
      {},
      ...series.map((one, i) => ({
        label: one.label, stroke: cssVar(colourOf(one.mark ?? i)), dash: dashOf(one.mark ?? i), width: 2, spanGaps: true, points: { show: few, size: 5 },
      })),
    ],
    plugins: [namer(series, x)],
  };
}

/** A note beside the pointer: whose curve is nearest, and its value there. A click on it opens the run. */
function namer(series: Series[], x: XAxis): uPlot.Plugin {
  const note = document.createElement("div");
  note.className = "chart-note";
  note.hidden = true;
  let near: number | null = null;
  let down = 0;
  const xText = (v: number) => (x === "step" ? `step ${number(v)}` : x === "relative" ? `${number(v)} s` : new Date(v * 1000).toLocaleTimeString("en-GB"));
  const show = (plot: uPlot) => {
    const { idx, left, top } = plot.cursor;
    near = idx === null || idx === undefined ? null : nearest(plot, idx, top ?? 0);
    note.hidden = near === null;
    if (near === null || idx === null || idx === undefined) return;
    const one = series[near - 1];
    note.textContent = `${one?.label} · ${xText(plot.data[0][idx] ?? 0)} · ${number(plot.data[near]?.[idx])}`;
    const width = plot.over.clientWidth;
    const at = left ?? 0;
    note.style.cssText = at > width / 2 ? `right:${width - at + 12}px;top:4px` : `left:${at + 12}px;top:4px`;
  };
  return {
    hooks: {
      init: (plot) => {
        plot.over.append(note);
        plot.over.addEventListener("mousedown", (event) => (down = event.clientX));
        plot.over.addEventListener("click", (event) => {
          const href = near === null ? undefined : series[near - 1]?.href;
          // A drag is a zoom.
          if (href && Math.abs(event.clientX - down) < 3) go(href);
        });
      },
      setCursor: show,
    },
  };
}

/** The series whose value at this place is closest to the pointer; a curve without one there is passed over. */
function nearest(plot: uPlot, index: number, top: number): number | null {
  let best: number | null = null;
  let least = Infinity;
  for (let i = 1; i < plot.data.length; i++) {
    const value = plot.data[i]?.[index];
    if (value === null || value === undefined) continue;
    const far = Math.abs(plot.valToPos(value, "y") - top);
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
