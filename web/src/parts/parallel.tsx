// Parallel coordinates: an axis per field, a line per run. A drag along an axis keeps the runs that pass through it.
import { useMemo, useRef, useState } from "preact/hooks";
import { plural } from "../lib/format";
import { go } from "../lib/router";
import { scaleOf } from "../lib/scale";
import { Note, shade, useWidth, type Dot } from "./plane";
import { say } from "./scatter";

const PAD = { left: 70, right: 56, top: 40, bottom: 18 };
const AXIS = 130;
const REACH = 12;

type Range = [low: number, high: number];

/** The last head colours the lines. */
export function Parallel({ dots, heads, log, height = 440 }: { dots: Dot[]; heads: string[]; log: boolean; height?: number }) {
  const box = useRef<HTMLDivElement>(null);
  const room = useWidth(box);
  const width = Math.max(room, heads.length * AXIS);
  const [near, setNear] = useState<{ index: number; x: number; y: number }>();
  const [kept, setKept] = useState<Record<number, Range>>({});
  const [drag, setDrag] = useState<{ axis: number; from: number; to: number }>();
  const h = height - PAD.top - PAD.bottom;
  const scales = useMemo(() => heads.map((_, i) => scaleOf(dots.map((dot) => dot.values[i]), log)), [dots, heads.join("\n"), log]);
  const xs = heads.map((_, i) => PAD.left + (heads.length > 1 ? (i * (width - PAD.left - PAD.right)) / (heads.length - 1) : 0));
  const lines = useMemo(() => dots.map((dot) => scales.map((scale, i) => scale.place(dot.values[i]))), [dots, scales]);
  const inside = (line: (number | null)[]) => Object.entries(kept).every(([axis, [low, high]]) => { const at = line[Number(axis)]; return at !== null && at !== undefined && at >= low && at <= high; });
  const on = useMemo(() => lines.map(inside), [lines, kept]);
  const yOf = (at: number) => PAD.top + (1 - at) * h;
  const pathOf = (line: (number | null)[]) => {
    let pen = "M";
    return line.map((at, i) => { if (at === null) { pen = "M"; return ""; } const part = `${pen}${xs[i]?.toFixed(1)} ${yOf(at).toFixed(1)}`; pen = "L"; return part; }).join("");
  };
  const drawn = useMemo(() => lines.map((line, i) => <path key={i} class={on[i] ? undefined : "out"} d={pathOf(line)} style={{ stroke: shade(line.at(-1)) }} />), [lines, on, width]);

  const spot = (event: PointerEvent) => { const edge = box.current?.firstElementChild?.getBoundingClientRect(); return { x: event.clientX - (edge?.left ?? 0), y: event.clientY - (edge?.top ?? 0) }; };
  const share = (y: number) => Math.min(1, Math.max(0, 1 - (y - PAD.top) / h));
  const move = (event: PointerEvent) => {
    const { x, y } = spot(event);
    if (drag) { setDrag({ ...drag, to: share(y) }); return; }
    const left = xs.findLastIndex((at) => at <= x);
    let [best, least] = [-1, REACH];
    lines.forEach((line, i) => {
      const [a, b] = [line[left], line[left + 1]];
      if (!on[i] || a === null || a === undefined || b === null || b === undefined) return;
      const part = (x - (xs[left] ?? 0)) / ((xs[left + 1] ?? 1) - (xs[left] ?? 0));
      const far = Math.abs(yOf(a + (b - a) * part) - y);
      if (far < least) [best, least] = [i, far];
    });
    setNear(best < 0 ? undefined : { index: best, x, y });
  };
  const press = (event: PointerEvent) => {
    const { x, y } = spot(event);
    const axis = xs.findIndex((at) => Math.abs(at - x) < REACH);
    if (axis < 0 || event.pointerType === "touch") { move(event); return; }
    setNear(undefined);
    setDrag({ axis, from: share(y), to: share(y) });
  };
  const release = () => {
    if (!drag) { const dot = near && dots[near.index]; if (dot) go(dot.href); return; }
    const range: Range = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    // A click on an axis without a drag takes its range away.
    setKept(({ [drag.axis]: _, ...others }) => (range[1] - range[0] < 0.01 ? others : { ...others, [drag.axis]: range }));
    setDrag(undefined);
  };
  const bars: [number, Range][] = [...Object.entries(kept).map(([axis, range]): [number, Range] => [Number(axis), range]), ...(drag ? [[drag.axis, [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)]] as [number, Range]] : [])];
  const dot = near && dots[near.index];
  const line = near && lines[near.index];
  return (
    <>
      <div ref={box} class="plane parallel" tabIndex={0} role="region" aria-label="Parallel coordinates">
        <svg width={width} height={height} role="img" aria-label={`${plural(dots.length, "run")} over ${heads.join(", ")}`} onPointerMove={move} onPointerDown={press} onPointerUp={release} onPointerLeave={() => { setNear(undefined); setDrag(undefined); }}>
          <g class={near ? "lines dim" : "lines"}>{drawn}</g>
          {line && <path class="near" d={pathOf(line)} style={{ stroke: shade(line.at(-1)) }} />}
          {scales.map((scale, i) => (
            <g key={heads[i]} class="axis" transform={`translate(${xs[i]} 0)`}>
              <path d={`M0 ${PAD.top}v${h}`} />
              <text class="axis-name" y={PAD.top - 18} text-anchor="middle"><title>{heads[i]}</title>{cut(heads[i] ?? "")}</text>
              {scale.ticks.map(({ at, label }) => <text key={label} x="-7" y={yOf(at) + 4} text-anchor="end">{label.length > 9 ? `${label.slice(0, 8)}…` : label}</text>)}
            </g>
          ))}
          {bars.map(([axis, [low, high]]) => <rect key={axis} class="kept" x={(xs[axis] ?? 0) - 6} width="12" y={yOf(high)} height={Math.max(2, (high - low) * h)} />)}
        </svg>
        {dot && near && <Note x={near.x} y={near.y} width={width}><b>{dot.name}</b>{heads.map((head, i) => <span key={head}>{head}: {say(dot.values[i])}</span>)}</Note>}
      </div>
      <p class="muted plane-hint">{Object.keys(kept).length > 0 ? <>{plural(on.filter(Boolean).length, "run")} of {dots.length} kept. <button type="button" class="link" onClick={() => setKept({})}>Keep all</button></> : "Drag along an axis to keep the runs that pass there."}</p>
    </>
  );
}

const cut = (head: string) => (head.length > 16 ? `${head.slice(0, 15)}…` : head);
