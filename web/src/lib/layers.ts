// Places the nodes of a DAG in columns by depth. An edge that passes a column gets a lane of its own there, so that it
// runs behind no node; the members of a group stand together in their column, within a frame.

export interface Member { id: string; needs: string[]; group?: string }
export interface Spot<T> { node: T; x: number; y: number }
export interface Frame { group: string; x: number; y: number; width: number; height: number }
export interface Edge { from: string; to: string; points: [number, number][] }
export interface Layout<T> { spots: Spot<T>[]; frames: Frame[]; edges: Edge[]; width: number; height: number }

/** Of a node, between nodes, and of a lane. */
export const W = 168;
export const H = 46;
const GAP_X = 40;
const GAP_Y = 16;
const LANE = 10;
/** Around the members of a group, and above them for its name. */
const PAD = 7;
const HEAD = 20;

/** What takes room in a column: a node, or the lane of an edge that starts at `from`. */
interface Cell<T> { key: string; node?: T; group: string; above: string[]; rank: number; y: number }

export function layout<T extends Member>(nodes: T[]): Layout<T> {
  const depths = depthsOf(nodes);
  const columns = columnsOf(nodes, depths);
  const frames: Frame[] = [];
  const heights = columns.map((column) => arrange(column));
  const height = Math.max(H, ...heights);
  const spots: Spot<T>[] = [];
  const ys = new Map<string, number>();
  columns.forEach((column, c) => {
    const top = (height - (heights[c] ?? 0)) / 2;
    const x = c * (W + GAP_X);
    for (const cell of column) {
      cell.y += top;
      ys.set(cell.key, cell.y + (cell.node ? H : LANE) / 2);
      if (cell.node) spots.push({ node: cell.node, x, y: cell.y });
    }
    frames.push(...framesOf(column, x));
  });
  return { spots, frames, edges: edgesOf(nodes, depths, ys), width: Math.max(1, columns.length) * (W + GAP_X) - GAP_X, height };
}

function depthsOf(nodes: Member[]): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const depths = new Map<string, number>();
  const under = new Set<string>();
  const depth = (id: string): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    // No sound definition goes in a circle; one that did must not hang the page.
    if (under.has(id)) return 0;
    under.add(id);
    const needs = (byId.get(id)?.needs ?? []).filter((need) => byId.has(need));
    const value = needs.length ? 1 + Math.max(...needs.map(depth)) : 0;
    under.delete(id);
    depths.set(id, value);
    return value;
  };
  nodes.forEach((node) => depth(node.id));
  return depths;
}

const laneKey = (from: string, column: number) => `${column} ${from}`;

/** Nodes and lanes by column, each knowing the cells of the column before that lead to it. */
function columnsOf<T extends Member>(nodes: T[], depths: Map<string, number>): Cell<T>[][] {
  const columns: Cell<T>[][] = Array.from({ length: 1 + Math.max(0, ...depths.values()) }, () => []);
  const lanes = new Set<string>();
  for (const node of nodes) {
    const at = depths.get(node.id) ?? 0;
    const above: string[] = [];
    for (const need of node.needs.filter((one) => depths.has(one))) {
      const from = depths.get(need) ?? 0;
      // All edges from one node share their lane.
      for (let column = from + 1; column < at; column += 1) {
        const key = laneKey(need, column);
        if (lanes.has(key)) continue;
        lanes.add(key);
        columns[column]?.push({ key, group: "", above: [column === from + 1 ? need : laneKey(need, column - 1)], rank: 0, y: 0 });
      }
      above.push(at === from + 1 ? need : laneKey(need, at - 1));
    }
    columns[at]?.push({ key: node.id, node, group: node.group ?? "", above, rank: 0, y: 0 });
  }
  return ordered(columns);
}

/** Each column in the order of what leads to it, its groups in one piece. */
function ordered<T>(columns: Cell<T>[][]): Cell<T>[][] {
  const ranks = new Map<string, number>();
  columns.forEach((column, c) => {
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / (values.length || 1);
    column.forEach((cell, at) => {
      cell.rank = c === 0 ? at : mean(cell.above.map((key) => ranks.get(key) ?? 0));
    });
    const groups = new Map<string, number[]>();
    for (const cell of column) if (cell.group) groups.set(cell.group, [...(groups.get(cell.group) ?? []), cell.rank]);
    const whole = (cell: Cell<T>) => (cell.group ? mean(groups.get(cell.group) ?? []) : cell.rank);
    column.sort((a, b) => whole(a) - whole(b) || a.group.localeCompare(b.group) || a.rank - b.rank);
    column.forEach((cell, at) => ranks.set(cell.key, (at + 0.5) / column.length));
  });
  return columns;
}

/** Gives the cells of a column their heights from its top; answers how high it is. */
function arrange<T>(column: Cell<T>[]): number {
  let y = 0;
  column.forEach((cell, at) => {
    const [before, after] = [column[at - 1], column[at + 1]];
    const [opens, closes] = [cell.group && before?.group !== cell.group, cell.group && after?.group !== cell.group];
    if (opens) y += HEAD;
    cell.y = y;
    y += cell.node ? H : LANE;
    if (closes) y += PAD;
    if (after) y += GAP_Y;
  });
  return y;
}

function framesOf<T>(column: Cell<T>[], x: number): Frame[] {
  const frames: Frame[] = [];
  column.forEach((cell, at) => {
    if (!cell.group) return;
    const last = frames.at(-1);
    if (last && column[at - 1]?.group === cell.group) last.height = cell.y + H + PAD - last.y;
    else frames.push({ group: cell.group, x: x - PAD, y: cell.y - HEAD, width: W + 2 * PAD, height: HEAD + H + PAD });
  });
  return frames;
}

function edgesOf(nodes: Member[], depths: Map<string, number>, ys: Map<string, number>): Edge[] {
  const edges: Edge[] = [];
  for (const node of nodes) {
    for (const need of node.needs) {
      const [from, to] = [depths.get(need), depths.get(node.id)];
      const [begin, end] = [ys.get(need), ys.get(node.id)];
      if (from === undefined || to === undefined || begin === undefined || end === undefined) continue;
      const points: [number, number][] = [[from * (W + GAP_X) + W, begin]];
      for (let column = from + 1; column < to; column += 1) {
        const y = ys.get(laneKey(need, column)) ?? begin;
        points.push([column * (W + GAP_X), y], [column * (W + GAP_X) + W, y]);
      }
      edges.push({ from: need, to: node.id, points: [...points, [to * (W + GAP_X), end]] });
    }
  }
  return edges;
}
