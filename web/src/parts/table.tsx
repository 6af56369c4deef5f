// The one table: real links in rows, j/k to move, Enter to open, sort by its heads.
import type { ComponentChildren, RefObject, VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { go } from "../lib/router";
import { Icon } from "./icon";

export interface Column<T> {
  id: string;
  head: ComponentChildren;
  cell: (row: T) => ComponentChildren;
  class?: string;
  /** What to sort by; absent where the server cannot. */
  sort?: string;
  /** In a tall table, whose columns do not fit themselves to their rows. */
  width?: number;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  href?: (row: T) => string | undefined;
  sort?: string;
  onSort?: (sort: string) => void;
  /** The row that is on show beside the table. */
  current?: (row: T) => boolean;
  /** For lists without end: only the rows in sight are rendered, and `onEnd` is called before they run out. */
  tall?: { onEnd: () => void; stale?: boolean };
  /** On a phone each row becomes a block with all its cells below the first. */
  stacks?: boolean;
}

/** Said in pixels, all of them together too: only then does the browser keep to them, whatever the cells hold. */
const widthOf = ({ width }: { width?: number }) => width ?? 120;

/** How high a row of a tall table is; the stylesheet says the same. */
const ROW = 38;

export function Table<T>({ label, columns, rows, rowKey, href, sort, onSort, current, tall, stacks }: Props<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [from, to] = useSight(box, rows.length, tall);
  const marked = useRowKeys(box, rows, rowKey, href, tall !== undefined);
  const [by, way] = (sort ?? "").split(/ (?=ASC|DESC)/);
  const shown = tall ? rows.slice(from, to) : rows;
  const drawn = useDrawn([columns, rows, marked]);
  /** Said aloud, for a table that is laid out as blocks is one no more to every browser. */
  const role = (name: "table" | "rowgroup" | "row" | "cell" | "columnheader") => (stacks ? name : undefined);
  /** Scrolling asks for the same rows again and again; what was made for one is used until something changes. */
  const lineOf = (row: T, at: number) => {
    const key = rowKey(row);
    const known = drawn.get(key);
    if (known) return known;
    const line = (
      <tr key={key} role={role("row")} class={marked === key ? "marked" : undefined} data-href={href?.(row)} aria-rowindex={tall ? at + 2 : undefined} aria-current={current?.(row) ? "true" : undefined}>
        {columns.map((column) => <td key={column.id} role={role("cell")} class={stacks ? `at-${column.id} ${column.class ?? ""}` : column.class} data-head={stacks && typeof column.head === "string" ? column.head : undefined}>{column.cell(row)}</td>)}
      </tr>
    );
    drawn.set(key, line);
    return line;
  };
  const gap = (rowsBefore: number) => rowsBefore > 0 && <tr class="gap" aria-hidden="true"><td colSpan={columns.length} style={{ height: `${rowsBefore * ROW}px` }} /></tr>;
  return (
    <div ref={box} class={`table-wrap ${tall ? "tall" : ""} ${tall?.stale ? "stale" : ""} ${stacks ? "stacks" : ""}`} tabIndex={0} role="region" aria-label={label} aria-busy={tall?.stale}>
      <table role={role("table")} aria-rowcount={tall ? rows.length + 1 : undefined} style={tall && { width: `${columns.reduce((sum, column) => sum + widthOf(column), 0)}px` }}>
        {tall && <colgroup>{columns.map((column) => <col key={column.id} style={{ width: `${widthOf(column)}px` }} />)}</colgroup>}
        <thead role={role("rowgroup")}>
          <tr role={role("row")}>
            {columns.map((column) => {
              const active = column.sort !== undefined && column.sort === by;
              return (
                <th key={column.id} role={role("columnheader")} class={column.class} scope="col" aria-sort={active ? (way === "ASC" ? "ascending" : "descending") : undefined}>
                  {column.sort && onSort
                    ? <button type="button" title={typeof column.head === "string" ? column.head : undefined} onClick={() => onSort(`${column.sort} ${active && way === "DESC" ? "ASC" : "DESC"}`)}><span class="cut">{column.head}</span><span class={`sort ${active ? "on" : ""} ${way === "ASC" ? "asc" : ""}`}><Icon name="chevron" size={10} /></span></button>
                    : column.head}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody role={role("rowgroup")}>
          {tall && gap(from)}
          {shown.map((row, i) => lineOf(row, from + i))}
          {tall && gap(rows.length - to)}
        </tbody>
      </table>
    </div>
  );
}

/** Rows made so far, for as long as `from` stays the same; not more than a few screens of them. */
function useDrawn(from: readonly unknown[]): Map<string, VNode> {
  const kept = useRef<{ from: readonly unknown[]; drawn: Map<string, VNode> }>({ from, drawn: new Map() });
  if (kept.current.drawn.size > 500 || kept.current.from.some((value, i) => value !== from[i])) kept.current = { from, drawn: new Map() };
  return kept.current.drawn;
}

const typing = (target: EventTarget | null) => target instanceof Element && target.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]") !== null;

/** j and k move a mark over the rows of the first table on the page; Enter or o opens the marked one, x selects it. */
function useRowKeys<T>(box: RefObject<HTMLDivElement | null>, rows: T[], rowKey: (row: T) => string, href: Props<T>["href"], tall: boolean): string | undefined {
  const [mark, setMark] = useState<string>();
  const now = useRef({ rows, mark, href });
  now.current = { rows, mark, href };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
      const { rows, mark, href } = now.current;
      if (!box.current || !href || document.querySelector(".table-wrap") !== box.current) return;
      const at = rows.findIndex((row) => rowKey(row) === mark);
      if (event.key === "j" || event.key === "k") {
        const next = Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)));
        const row = rows[next];
        setMark(row === undefined ? undefined : rowKey(row));
        if (tall) intoSight(box.current, next);
        else box.current.querySelectorAll("tbody tr")[next]?.scrollIntoView({ block: "nearest" });
      } else if (event.key === "x" && at >= 0) {
        box.current.querySelector<HTMLInputElement>("tr.marked input[type=checkbox]")?.click();
      } else if ((event.key === "Enter" || event.key === "o") && at >= 0 && !(event.target instanceof HTMLAnchorElement || event.target instanceof HTMLButtonElement)) {
        const row = rows[at];
        const to = row === undefined ? undefined : href(row);
        if (to) go(to);
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return mark;
}

function intoSight(box: HTMLElement, index: number) {
  const head = box.querySelector("thead")?.clientHeight ?? 0;
  const [top, bottom] = [index * ROW, (index + 1) * ROW + head];
  if (box.scrollTop > top) box.scrollTop = top;
  else if (box.scrollTop + box.clientHeight < bottom) box.scrollTop = bottom - box.clientHeight;
}

/** Rows rendered beyond what is in sight, and rows left when more are asked for. */
const MARGIN = 12;
const REST = 120;

/** From which row to which a tall table is rendered; it moves in steps, so that most scrolling renders nothing. */
function useSight(box: RefObject<HTMLDivElement | null>, count: number, tall: Props<unknown>["tall"]): [number, number] {
  const [sight, setSight] = useState<[number, number]>([0, 60]);
  const onEnd = useRef(tall?.onEnd);
  onEnd.current = tall?.onEnd;
  useEffect(() => {
    const host = box.current;
    if (!host || !tall) return;
    const look = () => {
      const first = Math.max(0, Math.floor(host.scrollTop / ROW / MARGIN - 1) * MARGIN);
      const last = Math.ceil((host.scrollTop + host.clientHeight) / ROW / MARGIN + 1) * MARGIN;
      setSight((old) => (old[0] === first && old[1] === last ? old : [first, last]));
      if (last > count - REST) onEnd.current?.();
    };
    const watch = new ResizeObserver(look);
    watch.observe(host);
    host.addEventListener("scroll", look, { passive: true });
    return () => { watch.disconnect(); host.removeEventListener("scroll", look); };
  }, [count, tall !== undefined]);
  const from = Math.min(sight[0], Math.max(0, count - MARGIN));
  return [from, Math.min(count, Math.max(sight[1], from))];
}

/** A filter box that `/` focuses. */
export function Filter(props: { value: string; onChange: (value: string) => void; placeholder: string; label: string; mono?: boolean; invalid?: boolean; list?: string }) {
  return (
    <div class={`filter ${props.invalid ? "invalid" : ""}`}>
      <Icon name="search" />
      <input
        type="search"
        class={props.mono ? "mono" : ""}
        value={props.value}
        placeholder={props.placeholder}
        aria-label={props.label}
        data-search
        spellcheck={false}
        onInput={(event) => props.onChange(event.currentTarget.value)}
      />
    </div>
  );
}
