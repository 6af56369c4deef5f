// A scatter of runs over two axes; the pointer names the nearest one, a click opens it.
import { useMemo, useRef, useState } from "preact/hooks";
import { number } from "../lib/format";
import { go } from "../lib/router";
import { scaleOf } from "../lib/scale";
import { Note, shade, useWidth, type Dot } from "./plane";

const PAD = { left: 64, right: 16, top: 14, bottom: 44 };
/** How near the pointer must come. */
const REACH = 24;

/** The values of each dot are x, y and, with a third head, what colours it. */
export function Scatter({ dots, heads, log, height = 440 }: { dots: Dot[]; heads: string[]; log: [x: boolean, y: boolean]; height?: number }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [near, setNear] = useState<number>();
  const [xScale, yScale, tint] = useMemo(() => [0, 1, 2].map((i) => scaleOf(dots.map((dot) => dot.values[i]), i < 2 && (log[i] ?? false))), [dots, log[0], log[1]]);
  const [w, h] = [Math.max(0, width - PAD.left - PAD.right), height - PAD.top - PAD.bottom];
  const places = useMemo(() => dots.map((dot) => {
    const [x, y] = [xScale?.place(dot.values[0]) ?? null, yScale?.place(dot.values[1]) ?? null];
    return x === null || y === null ? null : { x: PAD.left + x * w, y: PAD.top + (1 - y) * h, colour: shade(heads.length > 2 ? tint?.place(dot.values[2]) ?? null : undefined) };
  }), [dots, xScale, yScale, w, h, heads.length]);
  const points = useMemo(() => places.map((at, i) => at && <circle key={i} cx={at.x} cy={at.y} r={dots.length > 400 ? 3 : 4.5} style={{ fill: at.colour }} />), [places]);

  const follow = (event: PointerEvent) => {
    const edge = box.current?.getBoundingClientRect();
    if (!edge) return;
    let [best, least] = [undefined as number | undefined, REACH ** 2];
    places.forEach((at, i) => {
      const far = at ? (at.x - event.clientX + edge.left) ** 2 + (at.y - event.clientY + edge.top) ** 2 : Infinity;
      if (far < least) [best, least] = [i, far];
    });
    setNear(best);
  };
  const [dot, at] = near === undefined ? [] : [dots[near], places[near]];
  const drawn = places.filter(Boolean).length;
  return (
    <div ref={box} class="plane" onPointerMove={follow} onPointerDown={follow} onPointerLeave={() => setNear(undefined)} onClick={() => dot && go(dot.href)}>
      <svg width={width} height={height} role="img" aria-label={`${heads[1]} over ${heads[0]}, ${number(drawn)} runs`}>
        {xScale?.ticks.map(({ at, label }) => <g key={label} transform={`translate(${PAD.left + at * w} 0)`}><path class="rule" d={`M0 ${PAD.top}v${h}`} /><text y={PAD.top + h + 17} text-anchor="middle">{short(label)}</text></g>)}
        {yScale?.ticks.map(({ at, label }) => <g key={label} transform={`translate(0 ${PAD.top + (1 - at) * h})`}><path class="rule" d={`M${PAD.left} 0h${w}`} /><text x={PAD.left - 8} y="4" text-anchor="end">{short(label)}</text></g>)}
        <text class="axis-name" x={PAD.left + w / 2} y={height - 6} text-anchor="middle">{heads[0]}</text>
        <text class="axis-name" x={-(PAD.top + h / 2)} y="13" transform="rotate(-90)" text-anchor="middle">{heads[1]}</text>
        <g class="dots">{points}</g>
        {at && <circle class="near" cx={at.x} cy={at.y} r="7" />}
      </svg>
      {dot && at && <Note x={at.x} y={at.y} width={width}><b>{dot.name}</b>{heads.map((head, i) => <span key={head + i}>{head}: {say(dot.values[i])}</span>)}</Note>}
      {drawn === 0 && <p class="plane-none muted">No run has both values.</p>}
    </div>
  );
}

const short = (label: string) => (label.length > 9 ? `${label.slice(0, 8)}…` : label);
export const say = (value: string | number | undefined) => (value === undefined ? "–" : typeof value === "number" ? number(value) : value);
