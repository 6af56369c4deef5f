// A DAG as SVG: nodes in columns by depth, groups framed, edges as curves. Each node says its state, or what it is, in words.
import { duration, millis } from "../lib/format";
import { type Edge, H, layout, type Spot, W } from "../lib/layers";
import { fitted } from "../lib/fitted";
import { tone, word } from "./status";

/** A graph of more nodes than this is a wall, and not drawn. */
export const DRAWN = 120;

export interface Node {
  id: string; needs: string[]; group?: string; state?: string; started_at?: string | null; ended_at?: string | null;
  /** Where the id is not what people read, and where a node is no task: a line below its name. */
  label?: string; note?: string;
}

/** Room left of the first column and around for the frames of groups. */
const EDGE = 10;

export function Graph({ nodes, selected, href, label = "Task graph" }: { nodes: Node[]; selected?: string; href?: (id: string) => string | undefined; label?: string }) {
  const { spots, frames, edges, width, height } = layout(nodes);
  const whole = width + 2 * EDGE;
  return (
    <div class="graph" tabIndex={0} role="region" aria-label={label}>
      <svg style={{ width: "100%", maxWidth: `${whole}px`, minWidth: `${Math.round(whole * 0.8)}px` }} viewBox={`${-EDGE} -2 ${whole} ${height + 4}`}>
        {frames.map((frame) => (
          <g key={`${frame.x} ${frame.group}`} class="frame">
            <title>Group {frame.group}</title>
            <rect x={frame.x} y={frame.y} width={frame.width} height={frame.height} rx="10" />
            <text x={frame.x + 9} y={frame.y + 14}>{fitted(frame.group, frame.width - 18, 11.5, 560)}</text>
          </g>
        ))}
        {edges.map((edge) => <path key={`${edge.from}>${edge.to}`} class="edge" d={curve(edge)} />)}
        {spots.map((spot) => <Box key={spot.node.id} spot={spot} selected={spot.node.id === selected} href={href?.(spot.node.id)} />)}
      </svg>
    </div>
  );
}

/** Curves between columns, straight through the lane of a column that is passed. */
function curve({ points }: Edge): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let [text, [x, y]] = [`M${first[0]} ${first[1]}`, first];
  rest.forEach(([toX, toY], at) => {
    const bend = (toX - x) / 2;
    text += at % 2 === 1 ? `H${toX}` : `C${x + bend} ${y} ${toX - bend} ${toY} ${toX} ${toY}`;
    [x, y] = [toX, toY];
  });
  return text;
}

/** From the left side of a node to its text, and what must stay free on its right. */
const LEFT = 14;
const ROOM = W - LEFT - 10;

function Box({ spot: { node, x, y }, selected, href }: { spot: Spot<Node>; selected: boolean; href?: string }) {
  const start = millis(node.started_at);
  const took = start === null ? "" : ` · ${duration((millis(node.ended_at) ?? Date.now()) - start)}`;
  const whole = node.label ?? node.id;
  const below = node.note ?? (node.state ? `${word(node.state)}${took}` : undefined);
  const box = (
    <g class={`node ${selected ? "selected" : ""} tone-${node.state ? tone(node.state) : "off"}`} transform={`translate(${x} ${y})`}>
      <title>{whole}{node.note ? `, ${node.note}` : ""}{node.state ? `: ${word(node.state)}` : ""}</title>
      <rect width={W} height={H} rx="8" />
      <rect class="stripe" x="0" y="9" width="3" height={H - 18} rx="1.5" />
      <text x={LEFT} y={below ? 20 : 28} class="node-name">{fitted(whole, ROOM, 13, 580)}</text>
      {below && <text x={LEFT} y="36" class="node-state">{fitted(below, ROOM, 11.5)}</text>}
    </g>
  );
  return href ? <a href={href}>{box}</a> : box;
}
