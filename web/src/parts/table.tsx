// The one table: real links in rows, j/k to move, Enter to open, sort by its heads.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { go } from "../lib/router";
import { Icon } from "./icon";

export interface Column<T> {
  id: string;
  head: ComponentChildren;
  cell: (row: T) => ComponentChildren;
  class?: string;
  /** What to sort by; absent where the server cannot. */
  sort?: string;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  href?: (row: T) => string;
  sort?: string;
  onSort?: (sort: string) => void;
  /** The row that is on show beside the table. */
  current?: (row: T) => boolean;
}

export function Table<T>({ label, columns, rows, rowKey, href, sort, onSort, current }: Props<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  useRowKeys(body);
  const [by, way] = (sort ?? "").split(/ (?=ASC|DESC)/);
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => {
              const active = column.sort !== undefined && column.sort === by;
              return (
                <th key={column.id} class={column.class} scope="col" aria-sort={active ? (way === "ASC" ? "ascending" : "descending") : undefined}>
                  {column.sort && onSort
                    ? <button type="button" onClick={() => onSort(`${column.sort} ${active && way === "DESC" ? "ASC" : "DESC"}`)}>{column.head}<span class={`sort ${active ? "on" : ""} ${way === "ASC" ? "asc" : ""}`}><Icon name="chevron" size={10} /></span></button>
                    : column.head}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <tr key={rowKey(row)} data-href={href?.(row)} aria-current={current?.(row) ? "true" : undefined}>
              {columns.map((column) => <td key={column.id} class={column.class}>{column.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const typing = (target: EventTarget | null) => target instanceof Element && target.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]") !== null;

/** j and k move a mark over the rows of the first table on the page; Enter or o opens the marked one, x selects it. */
function useRowKeys(body: { current: HTMLTableSectionElement | null }) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
      if (document.querySelector("tbody") !== body.current || !body.current) return;
      const rows = [...body.current.querySelectorAll<HTMLTableRowElement>("tr[data-href]")];
      const at = rows.findIndex((row) => row.classList.contains("marked"));
      if (event.key === "j" || event.key === "k") {
        const next = rows[Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
        rows[at]?.classList.remove("marked");
        next?.classList.add("marked");
        next?.scrollIntoView({ block: "nearest" });
      } else if (event.key === "x" && at >= 0) {
        rows[at]?.querySelector<HTMLInputElement>("input[type=checkbox]")?.click();
      } else if ((event.key === "Enter" || event.key === "o") && at >= 0 && !(event.target instanceof HTMLAnchorElement || event.target instanceof HTMLButtonElement)) {
        const href = rows[at]?.dataset.href;
        if (href) go(href);
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
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
