// A DAG as SVG: nodes in columns by depth, edges as curves. Each says its state, or what it is, in words.
import { duration, millis } from "../lib/format";
import { tone, word } from "./status";

export interface Node {
  id: string; needs: string[]; state?: string; started_at?: string | null; ended_at?: string | null;
  /** Where the id is not what people read, and where a node is no task: a line below its name. */
  label?: string; note?: string;
}

const W = 152;
const H = 46;
const GAP_X = 38;
const GAP_Y = 16;

interface Placed extends Node { x: number; y: number }

function place(nodes: Node[]): { placed: Placed[]; width: number; height: number } {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const depths = new Map<string, number>();
  const depth = (id: string, seen: Set<string>): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    if (seen.has(id)) return 0;
    const needs = byId.get(id)?.needs ?? [];
    const value = needs.length ? 1 + Math.max(...needs.map((need) => depth(need, new Set(seen).add(id)))) : 0;
    depths.set(id, value);
    return value;
  };
  nodes.forEach((node) => depth(node.id, new Set()));
  const columns: Node[][] = [];
  for (const node of nodes) (columns[depths.get(node.id) ?? 0] ??= []).push(node);
  const tallest = Math.max(1, ...columns.map((column) => column?.length ?? 0));
  const height = tallest * (H + GAP_Y) - GAP_Y;
  const rows = new Map<string, number>();
  const placed: Placed[] = [];
  columns.forEach((column, c) => {
    const mean = (node: Node) => node.needs.reduce((sum, need) => sum + (rows.get(need) ?? 0), 0) / (node.needs.length || 1);
    if (c > 0) column.sort((a, b) => mean(a) - mean(b));
    const top = (height - (column.length * (H + GAP_Y) - GAP_Y)) / 2;
    column.forEach((node, r) => {
      const y = top + r * (H + GAP_Y);
      rows.set(node.id, y);
      placed.push({ ...node, x: c * (W + GAP_X), y });
    });
  });
  return { placed, width: columns.length * (W + GAP_X) - GAP_X, height };
}

export function Graph({ nodes, selected, href, label = "Task graph" }: { nodes: Node[]; selected?: string; href?: (id: string) => string | undefined; label?: string }) {
  const { placed, width, height } = place(nodes);
  const at = new Map(placed.map((node) => [node.id, node]));
  return (
    <div class="graph" tabIndex={0} role="region" aria-label={label}>
      <svg style={{ width: "100%", maxWidth: `${width + 4}px`, minWidth: `${Math.round(width * 0.8)}px` }} viewBox={`-2 -2 ${width + 4} ${height + 4}`}>
        {placed.flatMap((node) => node.needs.map((need) => {
          const from = at.get(need);
          if (!from) return null;
          const [x1, y1, x2, y2] = [from.x + W, from.y + H / 2, node.x, node.y + H / 2];
          const bend = (x2 - x1) / 2;
          return <path key={`${need}>${node.id}`} class="edge" d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />;
        }))}
        {placed.map((node) => <Box key={node.id} node={node} selected={node.id === selected} href={href?.(node.id)} />)}
      </svg>
    </div>
  );
}

function Box({ node, selected, href }: { node: Placed; selected: boolean; href?: string }) {
  const start = millis(node.started_at);
  const took = start === null ? "" : ` · ${duration((millis(node.ended_at) ?? Date.now()) - start)}`;
  const whole = node.label ?? node.id;
  const name = whole.length > 18 ? `${whole.slice(0, 17)}…` : whole;
  const below = node.note ?? (node.state ? `${word(node.state)}${took}` : undefined);
  const box = (
    <g class={`node ${selected ? "selected" : ""} tone-${node.state ? tone(node.state) : "off"}`} transform={`translate(${node.x} ${node.y})`}>
      <title>{whole}{node.note ? `, ${node.note}` : ""}{node.state ? `: ${word(node.state)}` : ""}</title>
      <rect width={W} height={H} rx="8" />
      <rect class="stripe" x="0" y="9" width="3" height={H - 18} rx="1.5" />
      <text x="14" y={below ? 20 : 28} class="node-name">{name}</text>
      {below && <text x="14" y="36" class="node-state">{below}</text>}
    </g>
  );
  return href ? <a href={href}>{box}</a> : box;
}
