// Try an endpoint: a form built from its signature (or its tensors), sent as a data frame of one row; the answer,
// and why it is what it is.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { ms } from "../lib/format";
import { useAction } from "../lib/use";
import { Card, Problem } from "../parts/basics";
import { CodeBlock } from "../parts/code";
import { Icon } from "../parts/icon";
import { ExplanationView } from "./explanation";

export interface Column { name: string; kind: "number" | "integer" | "boolean" | "text" }

const kindOf = (type: string): Column["kind"] =>
  /bool/i.test(type) ? "boolean" : /^(u?int|long|integer)/i.test(type) ? "integer" : /^(fp|float|double|bf)/i.test(type) ? "number" : "text";

/** MLflow keeps a signature's sides as JSON text inside JSON. */
function signatureColumns(signature: unknown): Column[] | undefined {
  let inputs: unknown = (signature as { inputs?: unknown } | null)?.inputs;
  if (typeof inputs === "string") {
    try {
      inputs = JSON.parse(inputs);
    } catch {
      return undefined;
    }
  }
  if (!Array.isArray(inputs)) return undefined;
  const named = (inputs as { name?: string; type?: string }[]).filter((c) => c.name && c.type && c.type !== "tensor");
  return named.length === inputs.length && named.length > 0 ? named.map((c) => ({ name: c.name ?? "", kind: kindOf(c.type ?? "") })) : undefined;
}

export function columnsOf(e: api.Endpoint): Column[] {
  return signatureColumns(e.signature) ?? e.inputs.map((t) => ({ name: t.name, kind: kindOf(t.datatype) }));
}

type Row = Record<string, unknown>;

/** The rows of the model's own input example, whichever way it is written. */
function exampleRows(e: api.Endpoint): Row[] {
  const given = e.input_example as Row | unknown[] | null | undefined;
  if (!given) return [];
  const example = Array.isArray(given) ? given : given.dataframe_records ?? given.instances ?? given.inputs ?? given;
  if (Array.isArray(example)) return example.filter((row): row is Row => typeof row === "object" && row !== null && !Array.isArray(row));
  const split = ((example as Row).dataframe_split ?? example) as { columns?: string[]; data?: unknown[][] };
  if (split.columns && Array.isArray(split.data)) return split.data.map((row) => Object.fromEntries((split.columns ?? []).map((name, i) => [name, row[i]])));
  const lists = Object.entries(example as Row);
  const rows = Math.max(1, ...lists.map(([, v]) => (Array.isArray(v) ? v.length : 1)));
  return Array.from({ length: rows }, (_, at) => Object.fromEntries(lists.map(([name, v]) => [name, innermost(Array.isArray(v) ? v[at] : v)])));
}

/** A row of one value may be a list of one. */
const innermost = (value: unknown): unknown => (Array.isArray(value) && value.length === 1 ? innermost(value[0]) : value);

/** The words a column of texts has in the example, to choose from; others can be typed. */
function words(rows: Row[], name: string): string[] {
  return [...new Set(rows.map((row) => row[name]).filter((v): v is string => typeof v === "string"))].sort().slice(0, 50);
}

/** One row to start from: the model's own input example, else neutral values. */
export function exampleRow(e: api.Endpoint, columns: Column[]): Row {
  const row = exampleRows(e)[0] ?? {};
  return Object.fromEntries(columns.map((c) => [c.name, row[c.name] ?? (c.kind === "text" ? "" : c.kind === "boolean" ? false : 0)]));
}

/** Models of plain tensors are asked with tensors: the first row of their example, or zeros. */
function tensorRequest(e: api.Endpoint): unknown {
  const example = (e.input_example as { inputs?: unknown } | null | undefined)?.inputs ?? e.input_example;
  if (Array.isArray(example)) return { inputs: example.slice(0, 1) };
  const row = (t: api.Tensor) => new Array(t.shape.slice(1).reduce((size, d) => size * Math.max(1, d), 1)).fill(kindOf(t.datatype) === "text" ? "" : 0);
  return { inputs: Object.fromEntries(e.inputs.map((t) => [t.name, [row(t)]])) };
}

export function TryIt({ endpoint, after }: { endpoint: api.Endpoint; after: () => void }) {
  const columns = columnsOf(endpoint);
  const wide = endpoint.inputs.some((t) => t.shape.slice(1).some((d) => d > 1)) && !signatureColumns(endpoint.signature);
  const first = exampleRow(endpoint, columns);
  const [row, setRow] = useState<Record<string, string>>({});
  const [raw, setRaw] = useState<string>();
  const [answer, setAnswer] = useState<{ body: unknown; version: string; took: number }>();
  const [why, setWhy] = useState<{ explanation: api.Explanation; given: Row }>();
  const { busy, error, act } = useAction();
  const examples = exampleRows(endpoint);
  const value = (c: Column) => row[c.name] ?? String(first[c.name]);
  const typed = (c: Column): unknown => (c.kind === "text" ? value(c) : c.kind === "boolean" ? value(c) === "true" : value(c) === "" ? null : Number(value(c)));
  const request = () => wide
    ? tensorRequest(endpoint)
    : { dataframe_split: { columns: columns.map((c) => c.name), data: [columns.map(typed)] } };
  const asJson = raw ?? (wide ? JSON.stringify(request(), null, 2) : undefined);
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const explained = (event.submitter as HTMLButtonElement | null)?.value === "explain";
    void act(async () => {
      const body: unknown = asJson === undefined ? request() : JSON.parse(asJson);
      const given = asJson === undefined ? Object.fromEntries(columns.map((c) => [c.name, typed(c)])) : {};
      setWhy(undefined);
      const start = performance.now();
      const result = await api.invoke(endpoint.name, body).catch((failure: unknown) => {
        setAnswer(undefined);
        throw failure;
      });
      setAnswer({ ...result, took: performance.now() - start });
      if (explained) setWhy({ explanation: await api.explain(endpoint.name, result.version, body), given });
    }, after);
  };
  return (
    <Card title="Try it" actions={<button type="button" class="btn small" onClick={() => setRaw(raw === undefined ? JSON.stringify(request(), null, 2) : undefined)}>{raw === undefined ? "Edit as JSON" : "Back to the form"}</button>}>
      <form class="try" onSubmit={send}>
        <div>
          {asJson !== undefined ? <textarea class="mono editor" rows={12} aria-label="Request body" spellcheck={false} value={asJson} onInput={(e) => setRaw(e.currentTarget.value)} /> : (
            <div class="try-fields">
              {columns.map((c) => (
                <label class="field" key={c.name}><span>{c.name} <small class="muted">{c.kind}</small></span>
                  {c.kind === "boolean"
                    ? <select value={value(c)} onChange={(e) => { const v = e.currentTarget.value; setRow((old) => ({ ...old, [c.name]: v })); }}><option>true</option><option>false</option></select>
                    : <input inputMode={c.kind === "text" ? "text" : "decimal"} class={c.kind === "text" ? "" : "mono"} list={c.kind === "text" ? `words-${c.name}` : undefined} value={value(c)} onInput={(e) => { const v = e.currentTarget.value; setRow((old) => ({ ...old, [c.name]: v })); }} />}
                  {c.kind === "text" && <datalist id={`words-${c.name}`}>{words(examples, c.name).map((word) => <option key={word} value={word} />)}</datalist>}
                </label>
              ))}
              {columns.length === 0 && <p class="muted">The inputs are known once a model is loaded.</p>}
            </div>
          )}
          <div class="try-actions">
            <button type="submit" class="btn primary" disabled={busy || endpoint.version === null}><Icon name="bolt" />{busy ? "Asking…" : "Predict"}</button>
            <button type="submit" class="btn" value="explain" disabled={busy || endpoint.version === null}>Predict and explain</button>
          </div>
        </div>
        <div class="try-answer" aria-live="polite">
          {error && <Problem error={error} />}
          {answer && <><Prediction body={answer.body} /><CodeBlock code={JSON.stringify(answer.body, null, 2)} /><p class="muted">{answer.version && `Version ${answer.version}, `}{ms(answer.took)} there and back</p></>}
          {why && <ExplanationView key={JSON.stringify(why.given)} {...why} />}
          {!answer && !error && <p class="muted">The answer appears here.</p>}
        </div>
      </form>
    </Card>
  );
}

/** Probabilities as bars, where the answer has some. */
function Prediction({ body }: { body: unknown }) {
  const first = (body as { predictions?: unknown } | null)?.predictions;
  const values = probabilities(firstRow(first));
  if (!values) return null;
  return (
    <ul class="bars">
      {values.map(([label, p]) => <li key={label}><span class="cut">{label}</span><span class="bar"><i style={{ width: `${Math.round(p * 100)}%` }} /></span><b>{(p * 100).toFixed(1)} %</b></li>)}
    </ul>
  );
}

/** A list answers by rows; an object answers by outputs, each a list with a place for every row. */
function firstRow(predictions: unknown): unknown {
  if (Array.isArray(predictions)) return predictions[0];
  if (typeof predictions !== "object" || predictions === null) return predictions;
  return Object.fromEntries(Object.entries(predictions).map(([name, rows]) => [name, Array.isArray(rows) ? (rows as unknown[])[0] : rows]));
}

function probabilities(value: unknown): [string, number][] | undefined {
  if (Array.isArray(value)) return share(value.map((v, i) => [`class ${i}`, v]));
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) if (/prob/i.test(key) && typeof inner === "object" && inner) return probabilities(inner);
  return share(Object.entries(value));
}

const share = (pairs: [string, unknown][]): [string, number][] | undefined => {
  const sum = pairs.reduce((total, [, v]) => total + (typeof v === "number" && v >= 0 ? v : NaN), 0);
  return pairs.length > 1 && Math.abs(sum - 1) < 1e-3 ? (pairs as [string, number][]) : undefined;
};
