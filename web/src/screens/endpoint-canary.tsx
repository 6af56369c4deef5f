// A canary: how far it is, what its gates say, and a form to begin one.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { duration, ms, number } from "../lib/format";
import { useAction } from "../lib/use";
import { Card, Problem, Time } from "../parts/basics";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";

interface Props { endpoint: api.Endpoint; edit: boolean; after: () => void }

export function CanaryCard({ endpoint, edit, after }: Props) {
  const { busy, error, act } = useAction();
  const canary = endpoint.canary;
  if (!canary) return null;
  const runs = canary.status === "running" || canary.status === "promoting";
  return (
    <Card
      title={<>Canary: version {canary.version} against {canary.champion} <Status state={canary.status} /></>}
      actions={edit && runs && <>
        <button type="button" class="btn small" disabled={busy} onClick={() => void act(() => api.canaryPromote(endpoint.name), after)}><Icon name="up" />Promote now</button>
        <button type="button" class="btn small quiet-danger" disabled={busy} onClick={() => void act(() => api.canaryStop(endpoint.name), after)}><Icon name="undo" />Roll back</button>
      </>}
    >
      {error && <Problem error={error} />}
      <p class={canary.status === "rolled_back" ? "bad" : ""} aria-live="polite">{canary.note}{canary.ended_ms !== null && <span class="muted"> · <Time at={canary.ended_ms} /></span>}</p>
      <ol class="canary-steps" aria-label="Steps">
        {canary.steps.map((step, index) => {
          const state = canary.status === "promoted" || index < canary.step ? "passed" : index === canary.step ? "now" : "to come";
          return <li key={index} class={state.replace(" ", "-")} aria-current={state === "now" ? "step" : undefined}><b>{number(step.weight)} %</b><span>{duration(step.seconds * 1000)}</span><span class="sr">{state}</span></li>;
        })}
      </ol>
      <Gates canary={canary} />
    </Card>
  );
}

interface Gate { name: string; found: string; wanted: string; state: "ok" | "bad" | "open" }

function gatesOf({ gates, figures }: api.Canary): Gate[] {
  const enough = figures.requests >= gates.min_requests;
  const judge = (holds: boolean | null, known = enough): Gate["state"] => (holds === null || !known ? "open" : holds ? "ok" : "bad");
  const rate = figures.requests > 0 ? figures.errors / figures.requests : null;
  const agreement = figures.compared > 0 ? figures.agreed / figures.compared : null;
  const percent = (share: number | null) => (share === null ? "–" : `${number(Math.round(share * 10_000) / 100)} %`);
  const rows: Gate[] = [
    { name: "Requests in this step", found: number(figures.requests), wanted: `at least ${number(gates.min_requests)}`, state: enough ? "ok" : "open" },
    { name: "Failed", found: percent(rate), wanted: `at most ${percent(gates.error_rate)}`, state: judge(rate === null ? null : rate <= gates.error_rate) },
  ];
  if (gates.p95_ms !== undefined) rows.push({ name: "p95", found: ms(figures.p95_ms), wanted: `at most ${ms(gates.p95_ms)}`, state: judge(figures.p95_ms === null ? null : figures.p95_ms <= gates.p95_ms) });
  if (gates.p95_ratio !== undefined) {
    const most = figures.champion_p95_ms === null ? null : figures.champion_p95_ms * gates.p95_ratio;
    rows.push({ name: "p95 against the champion", found: ms(figures.p95_ms), wanted: `at most ${number(gates.p95_ratio)} × ${ms(figures.champion_p95_ms)}`, state: judge(most === null || figures.p95_ms === null ? null : figures.p95_ms <= most) });
  }
  if (gates.agreement !== undefined) rows.push({ name: "Agreement with the champion", found: `${percent(agreement)} of ${number(figures.compared)} rows`, wanted: `at least ${percent(gates.agreement)}`, state: judge(agreement === null ? null : agreement >= gates.agreement, figures.compared >= gates.min_requests) });
  return rows;
}

const SIGNS = { ok: ["check", "holds", "ok"], bad: ["cross", "does not hold", "bad"], open: ["clock", "not known yet", "wait"] } as const;

function Gates({ canary }: { canary: api.Canary }) {
  return (
    <ul class="gates" aria-label="Gates">
      {gatesOf(canary).map((gate) => {
        const [icon, word, tone] = SIGNS[gate.state];
        return <li key={gate.name}><span class={`status tone-${tone}`}><Icon name={icon} size={14} />{word}</span><span>{gate.name}</span><b>{gate.found}</b><span class="muted">{gate.wanted}</span></li>;
      })}
    </ul>
  );
}

/** `5:10m 25:1h` as the steps the server takes. */
export function stepsOf(text: string): { weight: number; seconds: number }[] | undefined {
  const scale: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };
  const steps = text.trim().split(/[\s,]+/).map((word) => {
    const found = /^(\d+(?:\.\d+)?)%?:(\d+)([smhd])$/.exec(word);
    return found ? { weight: Number(found[1]), seconds: Number(found[2]) * (scale[found[3] ?? ""] ?? 0) } : undefined;
  });
  return steps.every((step) => step !== undefined) ? steps : undefined;
}

export function NewCanary({ endpoint, close, after }: { endpoint: api.Endpoint; close: () => void; after: () => void }) {
  const [version, setVersion] = useState("");
  const [steps, setSteps] = useState("5:10m 25:10m 50:10m");
  const [gates, setGates] = useState({ error: "1", p95: "", ratio: "2", agreement: "", requests: "100" });
  const set = (change: Partial<typeof gates>) => setGates((old) => ({ ...old, ...change }));
  const read = stepsOf(steps);
  const optional = (text: string, scale = 1) => (text === "" ? undefined : Number(text) / scale);
  const save = () => api.canaryBegin(endpoint.name, {
    ...(version.startsWith("models:") ? { model: version } : { version }),
    steps: read,
    gates: { error_rate: Number(gates.error) / 100, p95_ms: optional(gates.p95), p95_ratio: optional(gates.ratio), agreement: optional(gates.agreement, 100), min_requests: Number(gates.requests) },
  });
  const amount = (label: string, key: keyof typeof gates, hint: string, required = false) => (
    <Field label={label} hint={hint}><input type="number" min={0} step="any" required={required} value={gates[key]} onInput={(event) => set({ [key]: event.currentTarget.value })} /></Field>
  );
  return (
    <FormModal title="Try a version" submit="Begin" close={close} after={after} disabled={!version || !read} save={save}>
      <Field label="Version" hint={<>A version of the champion's model, or an address such as <code>models:/NAME@ALIAS</code>.</>}><input class="mono" value={version} onInput={(event) => setVersion(event.currentTarget.value.trim())} autofocus required /></Field>
      <Field label="Steps" hint={read ? "Percent of the requests, and for how long; 0 percent only compares." : "Write them as 5:10m 25:1h."}><input class="mono" value={steps} onInput={(event) => setSteps(event.currentTarget.value)} aria-invalid={!read} /></Field>
      <div class="pair-fields">
        {amount("Failed, % at most", "error", "of its requests", true)}
        {amount("Requests at least", "requests", "in each step, before a gate is believed", true)}
        {amount("p95 at most, ms", "p95", "empty: not asked")}
        {amount("p95 at most, times the champion's", "ratio", "empty: not asked")}
        {amount("Agreement at least, %", "agreement", "empty: not asked; compares every request with the champion")}
      </div>
      <p class="change">When all steps are passed, {endpoint.model.includes("@") ? <>the alias of <code>{endpoint.model}</code> is moved</> : <>the champion's address is changed</>}; when a gate does not hold, the canary is rolled back by itself.</p>
    </FormModal>
  );
}
