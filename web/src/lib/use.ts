// Loading: one hook for every screen. Old data stays on screen while new data is fetched.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asFailure, type Failure } from "./api";

export interface Loaded<T> {
  data: T | undefined;
  error: Failure | undefined;
  loading: boolean;
  reload: () => void;
}

/**
 * Calls `load` whenever `deps` change, and every `every` ms while the page is visible.
 * An answer that is older than the latest question is dropped. While all of `keep` stays the same, old data
 * stays on screen although `deps` changed: for a new state of the same thing.
 */
export function useLoad<T>(load: () => Promise<T>, deps: readonly unknown[], every?: number | ((data: T | undefined) => number | undefined), keep: readonly unknown[] = deps): Loaded<T> {
  const [state, setState] = useState<{ data?: T; error?: Failure; loading: boolean }>({ loading: true });
  const latest = useRef(0);
  const loader = useRef(load);
  loader.current = load;

  const reload = useCallback(() => {
    const ticket = ++latest.current;
    loader.current().then(
      (data) => ticket === latest.current && setState({ data, loading: false }),
      (error: unknown) => ticket === latest.current && setState((old) => ({ data: old.data, error: asFailure(error), loading: false })),
    );
  }, []);

  const kept = useRef(keep);
  useEffect(() => {
    const same = kept.current.every((value, i) => Object.is(value, keep[i]));
    kept.current = keep;
    setState((old) => (same && keep !== deps ? { ...old, loading: true } : { loading: true }));
    reload();
    return () => void latest.current++;
  }, deps);

  const period = typeof every === "function" ? every(state.data) : every;
  useEffect(() => {
    if (!period) return;
    const timer = setInterval(() => document.visibilityState === "visible" && reload(), period);
    return () => clearInterval(timer);
  }, [period, ...deps]);

  return { data: state.data, error: state.error, loading: state.loading, reload };
}

/** The value as it was when it last stood still for `delay` ms. */
export function useSettled<T>(value: T, delay = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delay);
    return () => clearTimeout(timer);
  }, [value, delay]);
  return settled;
}

/** Runs an action once at a time and keeps its failure. */
export function useAction() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Failure>();
  const act = async (action: () => Promise<unknown>, then?: () => void) => {
    setBusy(true);
    setError(undefined);
    try {
      await action();
      then?.();
    } catch (failure) {
      setError(asFailure(failure));
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, act };
}

export function useTitle(title: string) {
  useEffect(() => {
    document.title = title ? `${title} · Crannog` : "Crannog";
  }, [title]);
}
