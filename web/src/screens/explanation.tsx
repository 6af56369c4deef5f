// The explanation of one answer: which output, what it was compared with, and the waterfall.
import { useState } from "preact/hooks";
import type * as api from "../lib/crannog";
import { Waterfall } from "../parts/waterfall";

export function ExplanationView({ explanation, given }: { explanation: api.Explanation; given: Record<string, unknown> }) {
  const row = explanation.explanations[0];
  const outputs = explanation.output_names;
  const [chosen, setChosen] = useState<number>();
  if (!row) return null;
  const output = Math.min(chosen ?? likeliest(row.values), outputs.length - 1);
  const name = outputs[output] ?? "";
  const steps = Object.entries(row.attributions).map(([column, shares]) => ({ name: column, given: shown(given[column]), share: shares[output] ?? 0 }));
  const { method, explained, background, background_rows: rows, samples } = explanation.parameters;
  return (
    <section class="explanation" aria-label="Explanation">
      <div class="explanation-head">
        <h3>Why</h3>
        {outputs.length > 1 && (
          <label class="inline-field"><span>Explained</span>
            <select value={String(output)} onChange={(e) => setChosen(Number(e.currentTarget.value))}>{outputs.map((o, i) => <option key={o} value={String(i)}>{o}</option>)}</select>
          </label>
        )}
      </div>
      <Waterfall base={explanation.base_values[output] ?? 0} value={row.values[output] ?? 0} steps={steps} label={`What each column added to ${name}`} />
      <p class="muted">
        {explained === "raw" ? "Shares of the trees' raw score, before it becomes a probability or a label" : <>Shares of the output <code>{explained}</code></>}
        {outputs.length === 1 && explained === "raw" && <>, <code>{name}</code></>}, {background === undefined ? "by the counts of training rows in the trees" : <>compared with {rows === 1 ? "a single row" : `${rows} rows`} of {source(background)}</>}
        {method === "kernel-sampled" && ` (from a sample of ${samples} combinations of columns)`}.
        {rows !== undefined && rows < 10 && " A background of some 100 ordinary rows tells more: put background.parquet beside the model file."}
      </p>
    </section>
  );
}

const source = (background: string) => (background === "input example" ? "the model's input example" : background === "request" ? "this request" : background);

const likeliest = (values: number[]) => values.reduce((best, v, i) => (v > (values[best] ?? -Infinity) ? i : best), 0);

const shown = (value: unknown) => (value === undefined ? undefined : value === null ? "missing" : String(value));
