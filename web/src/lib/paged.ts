// A list that comes in pages: more of it on demand, its first page fetched again while it is looked at.
import { useEffect, useRef, useState } from "preact/hooks";
import { asFailure, type Failure } from "./api";

export interface Part<T> { rows: T[]; next?: string }

export interface Paged<T> {
  rows: T[] | undefined;
  /** Whether the server has more than these. */
  open: boolean;
  /** These rows answer an older question; the newer one is under way or was refused. */
  stale: boolean;
  error: Failure | undefined;
  more: () => void;
  /** Fetches to the end, at most `limit` rows, and answers them. */
  all: (limit: number) => Promise<T[]>;
  reload: () => void;
}

interface State<T> { rows?: T[]; next?: string; error?: Failure; stale: boolean }

export function usePaged<T>(load: (token?: string) => Promise<Part<T>>, keyOf: (row: T) => string, deps: readonly unknown[], every?: number): Paged<T> {
  const state = useRef<State<T>>({ stale: true });
  const [, render] = useState({});
  const question = useRef(0);
  const pending = useRef<Promise<void> | undefined>(undefined);
  const loader = useRef(load);
  loader.current = load;

  const put = (next: State<T>) => { state.current = next; render({}); };

  /** One page after another; an answer to an older question is dropped. */
  const fetchPage = (token: string | undefined, take: (part: Part<T>) => State<T>): Promise<void> => {
    const ticket = question.current;
    const ask = loader.current(token).then(
      (part) => { if (ticket === question.current) put(take(part)); },
      (error: unknown) => { if (ticket === question.current) put({ ...state.current, error: asFailure(error) }); },
    ).finally(() => { if (pending.current === ask) pending.current = undefined; });
    pending.current = ask;
    return ask;
  };

  const reload = () => {
    question.current++;
    put({ ...state.current, stale: true });
    void fetchPage(undefined, (part) => ({ ...part, stale: false }));
  };
  const append = async () => {
    if (pending.current) return pending.current;
    if (state.current.next === undefined) return;
    await fetchPage(state.current.next, (part) => ({ rows: joined(state.current.rows ?? [], part.rows, keyOf), next: part.next, stale: false }));
  };
  const all = async (limit: number) => {
    while ((state.current.next !== undefined || pending.current) && !state.current.error && (state.current.rows?.length ?? 0) < limit) await append();
    if (state.current.error) throw state.current.error;
    return (state.current.rows ?? []).slice(0, limit);
  };

  useEffect(() => {
    reload();
    return () => void question.current++;
  }, deps);
  useEffect(() => {
    if (!every) return;
    const refresh = () => {
      if (document.visibilityState === "visible" && !pending.current && !state.current.stale) void fetchPage(undefined, (part) => refreshed(state.current, part, keyOf));
    };
    const timer = setInterval(refresh, every);
    document.addEventListener("visibilitychange", refresh);
    return () => { clearInterval(timer); document.removeEventListener("visibilitychange", refresh); };
  }, [every, ...deps]);

  const { rows, next, stale, error } = state.current;
  return { rows, open: next !== undefined, stale, error, more: () => void append(), all, reload };
}

/** Rows that slid from one page into the next while both were fetched appear once. */
function joined<T>(old: T[], more: T[], keyOf: (row: T) => string): T[] {
  const seen = new Set(old.map(keyOf));
  return [...old, ...more.filter((row) => !seen.has(keyOf(row)))];
}

/** The first page anew, and behind it what was already fetched of the later ones. */
function refreshed<T>(old: State<T>, first: Part<T>, keyOf: (row: T) => string): State<T> {
  const last = first.rows.at(-1);
  const at = last === undefined || first.next === undefined ? -1 : (old.rows ?? []).findIndex((row) => keyOf(row) === keyOf(last));
  if (at < 0) return { ...first, stale: false };
  const later = (old.rows ?? []).slice(at + 1);
  return later.length === 0 ? { ...first, stale: false } : { rows: joined(first.rows, later, keyOf), next: old.next, stale: false };
}
